"""Groups that are resolved when a bulk retry is clean: they wait for it, and what became of its items decides."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from batches.models import Batch, Retry
from batches.wording import quantity
from errors.grouping.history import record_change
from errors.models import ErrorGroup, ErrorRecord

ABANDONED = (Batch.Status.CANCELLED, Batch.Status.FAILED)
"""Statuses of a batch in which items of a retry that still wait are not tried any more."""


def settle(batch_id: str | None = None) -> None:
    """Decide every group whose retry is over; of one batch, or of all."""
    waiting = ErrorGroup.objects.filter(clean_after__isnull=False).select_related("clean_after__batch")
    if batch_id is not None:
        waiting = waiting.filter(clean_after__batch=batch_id)
    for group in waiting.order_by("pk"):
        decide(group)


def decide(group: ErrorGroup) -> None:
    """Resolved if none of the retry's items failed with the group again; otherwise it stays open, with a note."""
    retry = group.clean_after
    if retry is None:
        return
    waiting, held = retry.outcome()["waiting"], retry.state == Retry.State.HELD
    if waiting and not held and retry.batch.status not in ABANDONED:
        return
    why = retry.note if held else why_not_clean(retry, group, waiting)
    to = group.state if why else ErrorGroup.State.RESOLVED
    changes = {"clean_after": None, "clean_by": ""} | (
        {} if why else {"state": to, "resolved_at": timezone.now(), "resolved_in": "", "late": 0}
    )
    with transaction.atomic():
        if ErrorGroup.objects.filter(pk=group.pk, state=group.state, clean_after=retry).update(**changes):
            clean = (
                f"Retry {retry.number} of {retry.batch_id} is clean: none of its "
                f"{quantity(retry.items, 'item')} fail alike."
            )
            verb = "not_clean" if why else "resolve"
            record_change(group.pk, verb, group.state, to, reason=why or clean, actor=group.clean_by)


def why_not_clean(retry: Retry, group: ErrorGroup, waiting: int) -> str:
    """Why the retry is not clean; empty if it is."""
    failed = still_failing(retry, group)
    if failed:
        return f"{failed:,} of {retry.items:,} still fail"
    if waiting:
        status = Batch.Status(retry.batch.status).label.lower()
        return f"{waiting:,} of {retry.items:,} were not tried again: the batch is {status}"
    return ""


def still_failing(retry: Retry, group: ErrorGroup) -> int:
    """How many items of the retry failed with the group at their last attempt."""
    last = ErrorRecord.objects.filter(group=group, batch=retry.batch_id, attempt=F("item__attempts"))
    return last.filter(item__retried__retry=retry, item__failed_at__isnull=False).count()
