"""A fix as JSON: what a file changes row by row, what it refuses and why; and what a request for one may say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from batches import operations
from batches.intake.corrections import changes_of
from batches.intake.readers import FORMATS_TEXT
from batches.models import Correction, Fix
from batches.rest.requests import FileOptionsMixin, ItemsField, ReasonSerializer, file_options_of
from batches.rest.serializers import OBJECT, RetrySerializer
from batches.wording import quantity, quantity_are

SHOWN = 1_000
"""Rows of a kind that one document holds; a fix that was applied has them all at `rows`."""
LINES, LINE_WIDTH = 20, 400
"""Rows of each kind that a terminal shows, and characters a line."""
Verdict = Correction.Verdict


class CorrectionSerializer(serializers.ModelSerializer[Correction]):
    """A row of the file. `changes` has the fields that differ: field, old, new, note; `old` is absent in an added
    field, `new` in one that is taken out. Secrets are masked."""

    item_key = serializers.CharField(source="key", read_only=True)
    changes = serializers.SerializerMethodField()

    class Meta:
        model = Correction
        fields = ("row", "item_key", "verdict", "column", "why", "changes")
        read_only_fields = fields

    @extend_schema_field({"type": "array", "items": OBJECT})
    def get_changes(self, row: Correction) -> list[dict[str, Any]]:
        return [] if row.before is None else changes_of(row)


class FixSerializer(serializers.ModelSerializer[Fix]):
    """`not_in_file`: failed items that the file says nothing about. Empty `retry`: nothing is changed yet."""

    batch_id = serializers.CharField(read_only=True)
    retry = RetrySerializer(read_only=True, allow_null=True)

    class Meta:
        model = Fix
        fields = (
            *("batch_id", "number", "state", "filename", "format", "sha256", "rows", "changed", "unchanged", "refused"),
            *("not_in_file", "actor", "created_at", "applied_at", "expires_at", "retry"),
        )
        read_only_fields = fields


class FixDiffSerializer(FixSerializer):
    """A fix with its rows, at most 1,000 changed, 1,000 refused ones. A dry run has no `number`: nothing is kept.

    `notes` has a sentence for what was decided in reading the file, in the answer to its upload only.
    """

    number = serializers.IntegerField(read_only=True, allow_null=True)
    notes = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="What was decided in reading the file; a sentence each.",
    )
    diff = serializers.SerializerMethodField()
    refusals = serializers.SerializerMethodField()

    class Meta(FixSerializer.Meta):
        fields = (*FixSerializer.Meta.fields, "notes", "diff", "refusals")  # type: ignore[assignment]
        read_only_fields = fields  # type: ignore[assignment]

    @extend_schema_field(CorrectionSerializer(many=True))
    def get_diff(self, fix: Fix) -> Any:
        return self.rows_of(fix, Verdict.CHANGED)

    @extend_schema_field(CorrectionSerializer(many=True))
    def get_refusals(self, fix: Fix) -> Any:
        return self.rows_of(fix, Verdict.REFUSED)

    def rows_of(self, fix: Fix, verdict: str) -> Any:
        """Stored, unless it is a dry run."""
        shown = self.context.get("shown")
        rows = fix.corrections.filter(verdict=verdict)[:SHOWN] if shown is None else shown[verdict]
        return CorrectionSerializer(rows, many=True).data


def document(fix: Fix, shown: Mapping[str, Sequence[Correction]] | None = None) -> dict[str, Any]:
    return dict(FixDiffSerializer(fix, context={"shown": shown}).data)


def dry_run(batch_id: str, **source: Any) -> dict[str, Any]:
    """What a file would change, and what is wrong with its rows; nothing is written."""
    preview = document(*operations.preview_fix(batch_id, most=SHOWN, **source))
    return preview if preview["state"] == Fix.State.APPLIED else preview | {"number": None, "expires_at": None}


def lines(fix: Mapping[str, Any]) -> list[str]:
    """A fix's document for a terminal."""
    counts = ", ".join(f"{fix[name]:,} {name}" for name in ("changed", "unchanged", "refused"))
    missing = f"{quantity(fix['not_in_file'], 'failed item')} not in the file"
    texts = [f"{fix['batch_id']}: {quantity(fix['rows'], 'row')}: {counts}; {missing}."]
    texts[:0] = fix.get("notes", ())
    texts += [line_of(row) for row in fix["diff"][:LINES]]
    if fix["changed"] > LINES:
        texts.append(f"  … and {fix['changed'] - LINES:,} more (--json shows {SHOWN:,})")
    texts += [f"  row {row['row']} refused, {row['column'] or 'item'}: {row['why']}" for row in fix["refusals"][:LINES]]
    retry = fix["retry"]
    if retry is None:
        return [*texts, "Nothing was changed."]
    return [*texts, f"{quantity_are(retry['items'], 'item')} tried again (retry {retry['number']})."]


def line_of(row: Mapping[str, Any]) -> str:
    changes = (f"{change['field']} {shown(change, 'old')} -> {shown(change, 'new')}" for change in row["changes"])
    notes = [change["note"] for change in row["changes"] if change["note"]]
    text = f"  row {row['row']}, item {row['item_key']}: {'; '.join(changes)}{f' ({notes[0]})' if notes else ''}"
    return "".join(character if character.isprintable() else "·" for character in text)[:LINE_WIDTH]


def shown(change: Mapping[str, Any], side: str) -> str:
    return json.dumps(change[side], ensure_ascii=False)[:120] if side in change else "(none)"


# -- requests ----------------------------------------------------------------------------------------------------------


class FixRequestSerializer(ReasonSerializer):
    """Refused rows refuse the whole file, unless `leave_out` says otherwise; unchanged rows stay failed, unless
    `retry_unchanged` does. With a `canary` so many items go first, the rest only if `needed` of them recover."""

    dry_run = serializers.BooleanField(default=False, help_text="Answer the difference; change nothing.")
    leave_out = serializers.BooleanField(default=False, help_text="Apply the others where rows are refused.")
    retry_unchanged = serializers.BooleanField(default=False, help_text="Run the unchanged rows again, too.")
    canary = serializers.IntegerField(required=False, min_value=0, max_value=100_000)
    needed = serializers.IntegerField(required=False, min_value=0, max_value=100_000)


class FixItemsSerializer(FixRequestSerializer):
    items = ItemsField(
        help_text="Corrected rows, each with its `_item_key`; names of no field that begin with _ are ignored."
    )


class FixFileSerializer(FileOptionsMixin, FixRequestSerializer):
    as_written = serializers.BooleanField(
        default=False, help_text="Take cells in the form a spreadsheet gave them: 12/5/2026 for a stored 2026-12-05."
    )
    file = serializers.FileField(allow_empty_file=True, help_text=f"The export of kind=fix, corrected: {FORMATS_TEXT}")


def source_of(body: dict[str, Any]) -> dict[str, Any]:
    """Where the rows come from, as the operations take it; what is left of the body are the options."""
    upload = body.pop("file", None)
    source: dict[str, Any] = {"file_options": file_options_of(body), "as_written": body.pop("as_written", False)}
    if "items" in body:
        source["items"] = body.pop("items")
    if isinstance(upload, UploadedFile):
        source |= {"file": upload.file, "filename": upload.name or ""}
    return source
