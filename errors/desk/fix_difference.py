"""What an uploaded correction would change, field by field, or what it changed and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.utils import timezone
from django.utils.safestring import SafeString

from batches import operations
from batches.intake.corrections import changes_of
from batches.models import Batch, Correction, Fix
from batches.pages.markup import pill
from batches.pages.tabs import Tab
from batches.redaction import redact_text
from batches.wording import number_agrees, quantity, quantity_are
from errors.desk.addresses import retry_url
from errors.desk.fix_forms import ApplyForm
from errors.desk.predictions import expectation_text
from errors.desk.retry_outcome import FATES
from errors.desk.value_diff import FieldChange, field_change
from errors.models import Recommendation

ROWS = 50
Verdict = Correction.Verdict
VERDICTS = {"changed": Verdict.CHANGED, "unchanged": Verdict.UNCHANGED, "refused": Verdict.REFUSED}
"""The tabs: what becomes of a row."""
TEXT_FORMATS = ("csv", "tsv")
OUTCOMES = ("recovered", "failed_same", "failed_differently", "skipped", "waiting")


@dataclass(frozen=True, slots=True)
class CorrectionRow:
    """One row of the file; `failure` is what its item failed with, `changes` what is different in it."""

    correction: Correction
    failure: str
    changes: list[FieldChange]


@dataclass(frozen=True, slots=True)
class FixDifference:
    """One correction: a page of its rows with one verdict, and all there is to know before it is applied."""

    batch: Batch
    fix: Fix
    form: ApplyForm
    verdict: str
    rows: list[CorrectionRow]
    page: Page[Correction]
    outcome: Mapping[str, int]
    """That of its retry; empty before it was applied."""
    unchanged_prediction: Mapping[str, Any]
    """What is expected of the rows if they are retried as they are; empty where nothing is."""

    @property
    def sentence(self) -> str:
        verb = number_agrees(self.fix.changed, "was", "were") if self.is_applied else "would be"
        parts = [f"{quantity(self.fix.changed, 'row')} {verb} corrected"]
        if n := self.fix.unchanged:
            parts.append(f"{n:,} {number_agrees(n, 'says', 'say')} what is stored")
        if n := self.fix.refused:
            parts.append(f"{n:,} {number_agrees(n, 'is', 'are')} refused")
        missing = f" {quantity_are(self.fix.not_in_file, 'failed item')} not in the file, and stay as they are."
        return f"{', '.join(parts)}.{missing if self.fix.not_in_file else ''}"

    @property
    def pill(self) -> SafeString:
        return pill("SUCCEEDED" if self.is_applied else "PENDING", self.fix.get_state_display())

    @property
    def is_applied(self) -> bool:
        return self.fix.state == Fix.State.APPLIED

    @property
    def act(self) -> str:
        """What was done with it last, and `at` when."""
        return "applied" if self.is_applied else "uploaded"

    @property
    def at(self) -> datetime:
        return self.fix.applied_at or self.fix.created_at

    @property
    def upload_button(self) -> str:
        return "Correct more" if self.is_applied else "Upload another file"

    @property
    def has_expired(self) -> bool:
        return self.fix.expires_at is not None and self.fix.expires_at <= timezone.now()

    @property
    def at_rest(self) -> bool:
        """Whether it can be applied now."""
        return operations.may_retry(self.batch)

    @property
    def when(self) -> str:
        """Why not, and when; empty where it can."""
        return operations.when_retried(self.batch, "this can be applied")

    @property
    def is_applicable(self) -> bool:
        """Whether there is anything to apply."""
        return bool(self.fix.changed or self.fix.unchanged)

    @property
    def apply_button(self) -> str:
        if not self.fix.changed:
            return "Retry"
        return f"Correct {quantity(self.fix.changed, 'row')} and retry {number_agrees(self.fix.changed, 'it', 'them')}"

    @property
    def refusal(self) -> str:
        """Why the file as a whole is refused; empty if it is not."""
        n = self.fix.refused
        rows, them = number_agrees(n, "row is", "rows are"), number_agrees(n, "it", "them")
        return f"{n:,} {rows} refused, so the file is, unless you leave {them} out." if n else ""

    @property
    def outcome_counts(self) -> list[tuple[str, int]]:
        counts = [(name, self.outcome[name]) for name in OUTCOMES if self.outcome[name] or name != "skipped"]
        return [(FATES[name][0].lower(), items) for name, items in counts]

    @property
    def retry_url(self) -> str:
        return retry_url(self.batch.pk, self.fix.retry.number) if self.fix.retry else ""

    @property
    def expected_unchanged(self) -> str:
        return expectation_text(self.unchanged_prediction)

    @property
    def rows_template(self) -> str:
        return f"admin/errors/fix/{self.verdict}.html"

    @property
    def tabs(self) -> list[Tab]:
        return [
            Tab(name, f"?show={name}#rows", name == self.verdict, rows)
            for name, rows in rows_by_verdict(self.fix).items()
        ]


def fix_difference(fix: Fix, form: ApplyForm, verdict: str, page: str) -> FixDifference:
    """The rows with a verdict; for an unknown one those that changed, or what there is."""
    rows = rows_by_verdict(fix)
    if verdict not in VERDICTS:
        verdict = next((name for name in ("changed", "refused") if rows[name]), "unchanged")
    corrections = fix.corrections.filter(verdict=VERDICTS[verdict]).select_related("item")
    shown = Paginator(corrections, ROWS).get_page(page)
    is_text_only = fix.batch.source.get("format") in TEXT_FORMATS
    return FixDifference(
        batch=fix.batch,
        fix=fix,
        form=form,
        verdict=verdict,
        rows=[correction_row(correction, is_text_only=is_text_only) for correction in shown],
        page=shown,
        outcome=fix.retry.outcome() if fix.retry else {},
        unchanged_prediction=unchanged_prediction(fix),
    )


def rows_by_verdict(fix: Fix) -> dict[str, int]:
    return {"changed": fix.changed, "unchanged": fix.unchanged, "refused": fix.refused}


def unchanged_prediction(fix: Fix) -> Mapping[str, Any]:
    """That of the advice which the correction carried out, or would."""
    advice = Recommendation.objects.filter(batch=fix.batch, action__verb="fix", rule="validation")
    carried_out = advice.filter(retry=fix.retry.number) if fix.retry else advice.filter(state="open")
    last = carried_out.last()
    return last.predicted if last else {}


def correction_row(correction: Correction, *, is_text_only: bool) -> CorrectionRow:
    before, item = correction.before, correction.item
    changes = changes_of(correction) if before is not None else []
    return CorrectionRow(
        correction=correction,
        failure=redact_text(item.message, item.payload) if item else "",
        changes=[field_change(change, is_text_only=is_text_only) for change in changes],
    )
