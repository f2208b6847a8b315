"""What the pages of fix and resubmit show: the steps, the difference field by field, and their two forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.urls import reverse
from django.utils import timezone

from batches import operations
from batches.exceptions import BatchError
from batches.intake import fixes
from batches.intake.corrections import changes_of
from batches.models import Batch, Correction, Fix, Item
from batches.operations import DEFAULT_CANARY
from batches.pages.markup import pill
from batches.redaction import redact_text
from errors.desk.advice_cards import expected
from errors.filters.error_filter import ErrorFilter
from errors.models import Recommendation
from errors.recovery import recommendations

A_PAGE = 50
AROUND, LONGEST = 40, 400
EARLIER = 50
FORMATS = (("csv", "CSV"), ("xlsx", "Excel"), ("json", "JSON"), ("ndjson", "NDJSON"))
Verdict = Correction.Verdict
SHOWN = {"changed": Verdict.CHANGED, "unchanged": Verdict.UNCHANGED, "refused": Verdict.REFUSED}


class UploadForm(forms.Form):
    """The corrected file."""

    file = forms.FileField(
        label="The corrected file",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.tsv,.txt,.json,.ndjson,.jsonl,.xlsx"}),
    )
    encoding = forms.CharField(required=False, max_length=40, help_text="Empty: detected.")

    def __init__(self, batch: Batch, *args: Any) -> None:
        super().__init__(*args)
        self.batch = batch

    def checked(self, actor: str) -> Fix | None:
        """The stored check; None when the file was refused, with the reason at its field."""
        if not self.is_valid():
            return None
        file, encoding = self.cleaned_data["file"], self.cleaned_data["encoding"].strip()
        try:
            return operations.check_fix(
                self.batch.pk, file=file.file, filename=file.name, encoding=encoding, actor=actor
            )
        except BatchError as error:
            self.add_error("file", str(error))
            return None


class ApplyForm(forms.Form):
    """How to apply it; only what there is something to decide about is asked."""

    leave_out = forms.BooleanField(required=False)
    retry_unchanged = forms.BooleanField(required=False)
    canary = forms.BooleanField(required=False)
    reason = forms.CharField(
        label="Why (shown in the history)",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, fix: Fix, *args: Any) -> None:
        super().__init__(*args)
        self.about(fix)

    def about(self, fix: Fix) -> None:
        """Name the choices after the fix, as it stands now."""
        for name, label, there in (
            ("leave_out", f"Leave out the {fix.refused:,} refused, apply the others", fix.refused),
            ("retry_unchanged", f"Run the {fix.unchanged:,} unchanged again, too", fix.unchanged),
            (
                "canary",
                f"{DEFAULT_CANARY} go first; the others only if one of them recovers",
                fix.changed > DEFAULT_CANARY,
            ),
        ):
            self.fields[name].label = label
            self.fields[name].disabled = not there

    def choices(self) -> list[forms.BoundField]:
        names = ("leave_out", "retry_unchanged", "canary")
        return [self[name] for name in names if not self.fields[name].disabled]

    def options(self) -> dict[str, Any]:
        said = self.cleaned_data
        canary = DEFAULT_CANARY if said["canary"] else 0
        return {name: said[name] for name in ("leave_out", "retry_unchanged", "reason")} | {"canary": canary}


# -- the steps ---------------------------------------------------------------------------------------------------------


def steps(batch: Batch, error_filter: ErrorFilter) -> dict[str, Any]:
    """How many rows there are to correct, where they are, and what was uploaded before."""
    if error_filter.as_dict():
        rows = error_filter.items(batch).count()
    else:
        rows = Item.objects.filter(batch=batch, failed_at__isnull=False).count()
    earlier = fixes.listed(batch)[:EARLIER]
    return {
        "batch": batch,
        "error_filter": error_filter,
        "rows": rows,
        "formats": FORMATS,
        "at_rest": batch.status in Batch.AT_REST,
        "earlier": [{"fix": one, "outcome": outcome_of(one)} for one in earlier],
        "now": timezone.now(),
    }


def outcome_of(fix: Fix) -> dict[str, int]:
    return fix.retry.outcome() if fix.retry else {}


# -- the difference ----------------------------------------------------------------------------------------------------


def difference(fix: Fix, show: str, page: str) -> dict[str, Any]:
    """One page of the rows with one verdict, and everything that is to be known before it is applied."""
    counts = {"changed": fix.changed, "unchanged": fix.unchanged, "refused": fix.refused}
    show = show if show in SHOWN else next((name for name in ("changed", "refused") if counts[name]), "unchanged")
    rows = fix.corrections.filter(verdict=SHOWN[show]).select_related("item")
    listed = Paginator(rows, A_PAGE).get_page(page)
    return {
        "batch": fix.batch,
        "fix": fix,
        "show": show,
        "tabs": [(name, counts[name], name == show) for name in counts],
        "sentence": sentence(fix),
        "pill": pill("SUCCEEDED" if fix.state == Fix.State.APPLIED else "PENDING", fix.get_state_display()),
        "page": listed,
        "rows": [row_of(row, texts=fix.batch.source.get("format") in ("csv", "tsv")) for row in listed],
        "at_rest": fix.batch.status in Batch.AT_REST,
        "expired": fix.expires_at is not None and fix.expires_at <= timezone.now(),
        "applicable": bool(fix.changed or fix.unchanged),
        "outcome": outcome_of(fix),
        "advice": advice_of(fix),
        "retry_url": retry_url(fix),
    }


def sentence(fix: Fix) -> str:
    """The page's first line."""
    done = fix.state == Fix.State.APPLIED
    verb = ("was" if fix.changed == 1 else "were") if done else "would be"
    parts = [f"{fix.changed:,} {'row' if fix.changed == 1 else 'rows'} {verb} corrected"]
    if fix.unchanged:
        parts.append(f"{fix.unchanged:,} {'says' if fix.unchanged == 1 else 'say'} what is stored")
    if fix.refused:
        parts.append(f"{fix.refused:,} {'is' if fix.refused == 1 else 'are'} refused")
    rest = f" {fix.not_in_file:,} failed items are not in the file, and stay as they are." if fix.not_in_file else ""
    return f"{', '.join(parts)}.{rest}"


def retry_url(fix: Fix) -> str:
    return reverse("admin:errors_retry", args=[fix.batch_id, fix.retry.number]) if fix.retry else ""


def advice_of(fix: Fix) -> dict[str, Any] | None:
    """The prediction that the outcome stands beside: the advice it carried out, or would."""
    known = Recommendation.objects.filter(batch=fix.batch, action__verb="fix", rule="validation")
    found = known.filter(retry=fix.retry.number).last() if fix.retry else known.filter(state="open").last()
    if found is None:
        return None
    said = recommendations.as_dict(found, {})
    return {
        "title": said["title"],
        "expected": expected(said["predicted"]),
        "basis": said["predicted"].get("basis", ""),
    }


def row_of(row: Correction, *, texts: bool) -> dict[str, Any]:
    changes = changes_of(row.before, row.after or {}) if row.before is not None else []
    why = redact_text(row.item.message, row.item.payload) if row.item else ""
    return {"row": row, "why": why, "changes": [marked(one, texts) for one in changes]}


def marked(change: Mapping[str, Any], texts: bool) -> dict[str, Any]:
    """Old and new as text, cut into what they share and what differs."""
    old = text_of(change["old"], texts) if "old" in change else None
    new = text_of(change["new"], texts) if "new" in change else None
    head, tail = (0, 0) if old is None or new is None else shared(old, new)
    hidden = old is not None and old == new
    note = "the value is hidden, and differs" if hidden else change["note"]
    return {
        "field": change["field"],
        "old": None if old is None else parts(old, head, tail),
        "new": None if new is None else parts(new, head, tail),
        "note": note,
    }


def text_of(value: Any, texts: bool) -> str:
    """Text as it is, where it could not be taken for anything else; other values as JSON."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    plain = value and value == value.strip() and value.isprintable() and (texts or not looks_like_json(value))
    return value if plain else json.dumps(value, ensure_ascii=False)


def looks_like_json(text: str) -> bool:
    return text in ("true", "false", "null") or text[0] in '"[{-0123456789'


def shared(old: str, new: str) -> tuple[int, int]:
    """How many characters both begin and end with."""
    most = min(len(old), len(new))
    head = next((n for n in range(most) if old[n] != new[n]), most)
    tail = next((n for n in range(most - head) if old[-1 - n] != new[-1 - n]), most - head)
    return head, tail


def parts(text: str, head: int, tail: int) -> tuple[str, str, str]:
    """(before, what differs, after), each not longer than a person reads."""
    end = len(text) - tail
    before, middle, after = text[:head], text[head:end], text[end:]
    before = f"…{before[-AROUND:]}" if len(before) > AROUND else before
    after = f"{after[:AROUND]}…" if len(after) > AROUND else after
    middle = f"{middle[:LONGEST]}… ({len(middle):,} characters)" if len(middle) > LONGEST else middle
    return before, middle, after
