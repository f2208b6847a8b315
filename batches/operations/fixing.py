"""Fix and resubmit: the operator's verbs for files of corrected rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, BinaryIO, TypedDict, Unpack

from django.db import transaction
from django.db.models import Q

from batches.exceptions import InputRefused, InvalidInput, InvalidTransition, OperationInProgress, UnknownBatch
from batches.extensions import registered
from batches.intake import fixes
from batches.intake.item_keys import MOST_ROWS
from batches.intake.python_reader import ItemsReader
from batches.intake.readers import Reader, options_of
from batches.intake.reading.child import open_file
from batches.lifecycle import retry_lists
from batches.models import Batch, Correction, Fix, Retry
from batches.operations.lookups import get_batch, get_fix
from batches.operations.retry_drafts import drafted_retry, number_retry, refuse_unrest, set_off
from batches.operations.sources import refuse_large

DOWNLOAD_NAME = re.compile(r"\Abatch-(?P<batch>.{1,64})-errors-\d{8}T\d{6}Z")
"""How the portal's own downloads are named."""
VERB = "correct items of"


class RowSource(TypedDict, total=False):
    """Where corrected rows come from: a file of that name, read as its options say (recognised if empty), or a list.

    Cells that say the same in the form of a spreadsheet keep what is stored, unless they are taken `as_written`.
    """

    file: BinaryIO | None
    filename: str
    items: Iterable[Mapping[str, Any]] | None
    encoding: str
    file_options: Mapping[str, Any]
    as_written: bool


def check_fix(batch_id: str, *, actor: str = "", **source: Unpack[RowSource]) -> Fix:
    """What a file of corrected rows would change: kept for a day, until it is applied; no item is touched.

    A content that was applied before answers that fix. `InputRefused`: the file cannot be taken at all.
    """
    batch = get_batch(batch_id)
    reader = opened(batch, source)
    applied = fixes.applied(batch, reader.fingerprint())
    return applied or fixes.check(batch, reader, actor=actor, **judging(source))


def apply_fix(
    batch_id: str,
    number: int,
    *,
    actor: str = "",
    reason: str = "",
    leave_out: bool = False,
    retry_unchanged: bool = False,
    canary: int = 0,
    needed: int | None = None,
) -> Fix:
    """Replace the payloads of the changed rows' items and retry them, whole or not at all; twice is the same retry.

    Refused rows refuse the file, unless they are to be left out. With a `canary` so many items go first, the rest only
    if `needed` of them (by default as many as leave hope for 20 % of all) recover.
    """
    checked = get_fix(batch_id, number)
    draft = drafted_retry(
        {"fix": number},
        kind=Retry.Kind.FIX,
        canary=canary,
        needed=needed,
        permanent=True,
        actor=actor,
        reason=reason,
    )
    try:
        with transaction.atomic():
            batch = Batch.objects.select_for_update().get(pk=batch_id)
            fix = locked(checked)
            if applied := fix if fix.state == Fix.State.APPLIED else fixes.applied(batch, fix.sha256):
                return applied
            refuse_unrest(batch, VERB)
            fixes.judge_anew(fix)
            fixes.refuse_unfit(fix, leave_out=leave_out, retry_unchanged=retry_unchanged)
            begin(batch, fix, draft, retry_unchanged)
    except InvalidInput:
        with transaction.atomic():
            fixes.judge_anew(get_fix(batch_id, number))
        raise
    return fix


def correct(
    batch_id: str,
    *,
    file: BinaryIO | None = None,
    filename: str = "",
    items: Iterable[Mapping[str, Any]] | None = None,
    encoding: str = "",
    file_options: Mapping[str, Any] | None = None,
    as_written: bool = False,
    actor: str = "",
    **options: Any,
) -> Fix:
    """Check, then apply. `options` are those of `apply_fix`; of a file that is refused nothing is kept."""
    source: RowSource = {"file": file, "filename": filename, "items": items, "encoding": encoding}
    source |= {"file_options": file_options or {}, "as_written": as_written}
    with fix_to_apply(batch_id, actor=actor, **source) as fix:
        applied = apply_fix(batch_id, fix.number, actor=actor, **options)
        applied.notes = fix.notes
        return applied


@contextmanager
def fix_to_apply(batch_id: str, *, actor: str = "", **source: Unpack[RowSource]) -> Iterator[Fix]:
    """A file checked so that it is applied at once; the check is forgotten at the end, unless it was applied."""
    batch = get_batch(batch_id)
    reader = opened(batch, source)
    if applied := fixes.applied(batch, reader.fingerprint()):
        yield applied
        return
    refuse_unrest(batch, VERB)
    fix = fixes.check(batch, reader, actor=actor, **judging(source))
    try:
        yield fix
    finally:
        fixes.forget(fix)


def preview_fix(
    batch_id: str, *, most: int, actor: str = "", **source: Unpack[RowSource]
) -> tuple[Fix, dict[str, list[Correction]] | None]:
    """What a file would change, with nothing stored: its counts, and at most so many rows of each verdict.

    A content that was applied before answers that fix, whose rows are stored.
    """
    batch = get_batch(batch_id)
    reader = opened(batch, source)
    if applied := fixes.applied(batch, reader.fingerprint()):
        return applied, None
    return fixes.preview(batch, reader, actor=actor, most=most, **judging(source))


def judging(source: RowSource) -> dict[str, Any]:
    return {"filename": source.get("filename", ""), "as_written": source.get("as_written", False)}


def locked(checked: Fix) -> Fix:
    """The fix as it is once nobody else can change it; it may be gone by then."""
    fix = Fix.objects.select_for_update().filter(pk=checked.pk).exclude(state=Fix.State.CHECKING).first()
    if fix is None:
        raise UnknownBatch(f"Batch {checked.batch_id} has no fix {checked.number} any more: upload the file again.")
    return fix


def opened(batch: Batch, source: RowSource) -> Reader:
    """The reader of the corrected rows, which come as a file or as a list."""
    file, items = source.get("file"), source.get("items")
    filename = source.get("filename", "")
    reading = options_of({"encoding": source.get("encoding", ""), **source.get("file_options", {})})
    if not batch.processor:
        raise InvalidTransition(batch.pk, VERB, "ad hoc: no processor runs it")
    if (file is None) == (items is None):
        raise InvalidInput("Give the corrected rows as a file or as a list.", {"file": ["Required."]})
    if file is None:
        return ItemsReader(items or ())
    refuse_large(file)
    refuse_foreign(batch, filename)
    return open_file(file, filename, is_fix=True, most_rows=MOST_ROWS, options=reading)


def refuse_foreign(batch: Batch, filename: str) -> None:
    """Keys such as 1, 2, 3 are those of every batch, but a download is named after its own."""
    named = DOWNLOAD_NAME.match(PurePath(filename).name)
    if named and named["batch"] != batch.pk:
        raise InputRefused(
            f"The file is named after batch {named['batch']}, and this is {batch.pk}.",
            remedy="Upload it there; or rename it, if it is this batch's all the same.",
        )


def begin(batch: Batch, fix: Fix, draft: Retry, retry_unchanged: bool) -> None:
    """Payloads, retry, the fix's own row and the history: one transaction, which the caller has opened."""
    draft.key = fixes.key_of(fix)
    number_retry(batch, draft)
    items = fixes.rows_to_run(fix, retry_unchanged=retry_unchanged).order_by().values("item")
    for extension in registered():
        extension.items_corrected(batch, draft, items)
    retry_lists.write_list(draft, Q(pk__in=items))
    if fixes.replace_payloads(fix) != fix.changed:
        raise OperationInProgress("Items of this batch are being changed at this moment; ask again shortly.")
    fix.state, fix.retry, fix.actor = Fix.State.APPLIED, draft, draft.actor
    fix.applied_at, fix.expires_at = draft.created_at, None
    fix.save()
    why = f"fix {fix.number}: {fixes.counts_text(fix)}, of {fix.filename or 'a list'}"
    set_off(draft, "fix", f"{why}. {draft.reason}" if draft.reason else why)
