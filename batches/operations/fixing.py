"""Fix and resubmit: the operator's verbs for files of corrected rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import PurePath
from typing import Any, BinaryIO

from django.db import transaction
from django.db.models import Max, Q

from batches import tasks
from batches.exceptions import InputRefused, InvalidInput, InvalidTransition, OperationInProgress, UnknownBatch
from batches.intake import fixes, readers
from batches.intake.corrections import MOST_ROWS
from batches.intake.readers.json_reader import DownloadReader
from batches.lifecycle import retry_waves, transitions
from batches.models import Batch, Correction, Fix, Retry
from batches.operations.submission import refuse_large
from batches.signals import items_corrected

S = Batch.Status
NAME = re.compile(r"\Abatch-(?P<batch>.{1,64})-errors-\d{8}T\d{6}Z")
"""Of our downloads."""
AT_REST = (S.COMPLETED, S.PAUSED, S.HALTED)


def check_fix(
    batch_id: str,
    *,
    file: BinaryIO | None = None,
    filename: str = "",
    items: Iterable[Mapping[str, Any]] | None = None,
    encoding: str = "",
    actor: str = "",
) -> Fix:
    """What a file of corrected rows would change: kept for a day, until it is applied; no item is touched.

    A content that was applied before answers that fix. `InputRefused`: the file cannot be taken at all.
    """
    batch = _batch(batch_id)
    reader = opened(batch, file, filename, items, encoding)
    known = fixes.applied(batch, reader.fingerprint())
    return known or fixes.check(batch, reader, filename=filename, actor=actor)


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
    if `needed` of them (1 unless told) recover.
    """
    found = get_fix(batch_id, number)
    made = drafted(number, canary, needed, actor, reason)
    try:
        with transaction.atomic():
            batch = Batch.objects.select_for_update().get(pk=batch_id)
            fix = locked(found)
            if known := fix if fix.state == Fix.State.APPLIED else fixes.applied(batch, fix.sha256):
                return known
            refuse_unrest(batch)
            fixes.look_again(fix)
            fixes.refuse_unfit(fix, leave_out=leave_out, retry_unchanged=retry_unchanged)
            begin(batch, fix, made, retry_unchanged)
    except InvalidInput:
        with transaction.atomic():
            fixes.look_again(get_fix(batch_id, number))
        raise
    return fix


def correct(
    batch_id: str,
    *,
    file: BinaryIO | None = None,
    filename: str = "",
    items: Iterable[Mapping[str, Any]] | None = None,
    encoding: str = "",
    actor: str = "",
    **options: Any,
) -> Fix:
    """Check, then apply. `options` are those of `apply_fix`; of a file that is refused nothing is kept."""
    source: dict[str, Any] = {"file": file, "filename": filename, "items": items, "encoding": encoding}
    with fix_to_apply(batch_id, actor=actor, **source) as fix:
        return apply_fix(batch_id, fix.number, actor=actor, **options)


@contextmanager
def fix_to_apply(
    batch_id: str,
    *,
    file: BinaryIO | None = None,
    filename: str = "",
    items: Iterable[Mapping[str, Any]] | None = None,
    encoding: str = "",
    actor: str = "",
) -> Iterator[Fix]:
    """A file checked so that it is applied at once; it is forgotten at the end, unless it was."""
    batch = _batch(batch_id)
    reader = opened(batch, file, filename, items, encoding)
    if known := fixes.applied(batch, reader.fingerprint()):
        yield known
        return
    refuse_unrest(batch)
    fix = fixes.check(batch, reader, filename=filename, actor=actor)
    try:
        yield fix
    finally:
        fixes.forget(fix)


def preview_fix(
    batch_id: str,
    *,
    most: int,
    file: BinaryIO | None = None,
    filename: str = "",
    items: Iterable[Mapping[str, Any]] | None = None,
    encoding: str = "",
    actor: str = "",
) -> tuple[Fix, dict[str, list[Correction]] | None]:
    """What a file would change, with nothing stored: its counts, and at most so many rows of each verdict.

    A content that was applied before answers that fix, whose rows are stored.
    """
    batch = _batch(batch_id)
    reader = opened(batch, file, filename, items, encoding)
    if known := fixes.applied(batch, reader.fingerprint()):
        return known, None
    return fixes.preview(batch, reader, filename=filename, actor=actor, most=most)


def get_fix(batch_id: str, number: int) -> Fix:
    """The batch's fix of that number, or `UnknownBatch`."""
    known = fixes.listed(_batch(batch_id)).filter(number=number).first() if 0 < number < 2**31 else None
    if known is None:
        raise UnknownBatch(f"Batch {batch_id} has no fix {number}.")
    return known


def locked(found: Fix) -> Fix:
    """As it is once nobody else can change it; it may be gone by then."""
    fix = Fix.objects.select_for_update().filter(pk=found.pk).exclude(state=Fix.State.CHECKING).first()
    if fix is None:
        raise UnknownBatch(f"Batch {found.batch_id} has no fix {found.number} any more: upload the file again.")
    return fix


def _batch(batch_id: str) -> Batch:
    batch = Batch.objects.filter(pk=batch_id).first() if "\x00" not in batch_id else None
    if batch is None:
        raise UnknownBatch(f"There is no batch {batch_id!r}.")
    return batch


def opened(
    batch: Batch, file: BinaryIO | None, filename: str, items: Iterable[Mapping[str, Any]] | None, encoding: str
) -> readers.Reader:
    if not batch.processor:
        raise InvalidTransition(batch.pk, "correct items of", "ad hoc: no processor runs it")
    if (file is None) == (items is None):
        raise InvalidInput("Give the corrected rows as a file or as a list.", {"file": ["Required."]})
    if file is None:
        return readers.from_items(items or ())
    refuse_large(file)
    refuse_foreign(batch, filename)
    if filename.lower().endswith(".json") and file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return DownloadReader(file, filename, encoding=encoding)
    return readers.open_reader(file, filename, encoding=encoding)


def refuse_foreign(batch: Batch, filename: str) -> None:
    """Keys such as 1, 2, 3 are those of every batch, but a download is named after its own."""
    named = NAME.match(PurePath(filename).name)
    if named and named["batch"] != batch.pk:
        raise InputRefused(
            f"The file is named after batch {named['batch']}, and this is {batch.pk}.",
            remedy="Upload it there; or rename it, if it is this batch's all the same.",
        )


def refuse_unrest(batch: Batch) -> None:
    if batch.status not in AT_REST:
        raise InvalidTransition(batch.pk, "correct items of", S(batch.status).label)


def drafted(number: int, canary: int, needed: int | None, actor: str, reason: str) -> Retry:
    least = retry_waves.least_needed(canary) if needed is None else needed
    if not 0 <= least <= canary <= MOST_ROWS:
        raise InvalidInput("needed is more than the canary has.", {"needed": ["At most the canary's size."]})
    return Retry(
        kind=Retry.Kind.FIX,
        scope={"fix": number},
        state=Retry.State.CANARY if canary else Retry.State.RUNNING,
        canary=canary,
        needed=least,
        permanent=True,
        actor=actor,
        reason=reason,
    )


def begin(batch: Batch, fix: Fix, made: Retry, retry_unchanged: bool) -> None:
    """Payloads, retry, the fix's own row and the history: one transaction, which the caller has opened."""
    made.batch, made.key = batch, fixes.key_of(fix)
    made.number = (batch.retries.aggregate(last=Max("number"))["last"] or 0) + 1
    made.save()
    again = fixes.meant(fix, retry_unchanged=retry_unchanged).order_by().values("item")
    items_corrected.send(Batch, batch=batch, retry=made, items=again)
    retry_waves.freeze(made, Q(pk__in=again))
    made.save(update_fields=["items", "frozen_to"])
    if fixes.replace_payloads(fix) != fix.changed:
        raise OperationInProgress("Items of this batch are being changed at this moment; ask again shortly.")
    retry_waves.release(made)
    fix.state, fix.retry, fix.actor = Fix.State.APPLIED, made, made.actor
    fix.applied_at, fix.expires_at = made.created_at, None
    fix.save()
    why = f"fix {fix.number}: {fixes.said(fix)}, of {fix.filename or 'a list'}"
    why += f". {made.reason}" if made.reason else ""
    transitions.move(batch.pk, S.QUEUED, verb="fix", from_=(batch.status,), actor=made.actor, reason=why)
    transaction.on_commit(partial(tasks.wake, batch.pk))
