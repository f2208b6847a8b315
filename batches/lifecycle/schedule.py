"""Batches that start at a time: whoever sweeps starts those whose time has come, and says of late ones that they are
late."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q

from batches import clock, durations
from batches.lifecycle import transitions
from batches.models import Batch

ACTOR = "schedule"
LATE_AFTER = timedelta(seconds=30)


def start_due() -> list[str]:
    """Queue the batches whose time has come; returns their ids. One statement decides between two who do so."""
    due = Q(status=Batch.Status.PENDING, start_at__lte=clock.now_sql())
    started = []
    for batch in Batch.objects.filter(due).exclude(processor="").order_by("start_at"):
        if transitions.move(
            batch.pk,
            Batch.Status.QUEUED,
            verb="start",
            from_=(Batch.Status.PENDING,),
            actor=ACTOR,
            reason=lateness_of(batch),
            only_if=Q(start_at__lte=clock.now_sql()),
        ):
            started.append(batch.pk)
    return started


def lateness_of(batch: Batch) -> str:
    """How late it starts, and why; empty if it is in time."""
    assert batch.start_at is not None
    late = clock.now() - batch.start_at
    if late < LATE_AFTER:
        return ""
    how_late = durations.rough(late.total_seconds())
    return f"Started {how_late} late: the portal was down or busy when it was to start."
