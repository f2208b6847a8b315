"""Pause everything, and lift that: no worker takes an item meanwhile, and every batch keeps its own status."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F

from batches import clock, waking
from batches.exceptions import BatchConflict, InvalidInput
from batches.lanes import global_pause
from batches.models import Batch, GlobalPause
from batches.moments import moment

LONGEST_REASON = 2_000  # characters


def pause_everything(*, actor: str = "", reason: str) -> GlobalPause:
    """No worker takes an item of any batch from now on, nor one of a rehearsal; those in hand are finished.

    Raises `InvalidInput` without a reason, and `BatchConflict` if everything is paused already.
    """
    if not reason.strip():
        raise InvalidInput("Say why: everybody who waits sees it.", {"reason": ["Required."]})
    try:
        with transaction.atomic():
            return GlobalPause.objects.create(reason=reason.strip()[:LONGEST_REASON], actor=actor, began_at=clock.now())
    except IntegrityError:
        pause = global_pause.in_force()
        if pause is None:
            raise BatchConflict("It was lifted at this moment; ask again.") from None
        since = f"since {moment(pause.began_at)}{global_pause.by_whom(pause)}"
        raise BatchConflict(f"Everything is paused already, {since}: {pause.reason}") from None


def lift(*, actor: str = "", reason: str = "") -> GlobalPause:
    """Batches go on as they were; what a person had paused stays paused. `BatchConflict` if nothing is to lift."""
    now, why = clock.now(), reason.strip()[:LONGEST_REASON]
    with transaction.atomic():
        rows = GlobalPause.objects.filter(in_force=True)
        if not rows.update(in_force=False, lifted_at=now, lifted_by=actor, lifted_reason=why):
            raise BatchConflict("Nothing is to be lifted: not everything is paused.")
        pause = GlobalPause.objects.filter(in_force=False).latest("lifted_at")
        leave_out(pause.began_at, now)
        transaction.on_commit(waking.wake_sleepers)
    return pause


def leave_out(began_at: datetime, lifted_at: datetime) -> None:
    """That time is no active time of the batches that workers had meanwhile."""
    working = Batch.objects.exclude(processor="").filter(running_since__isnull=False)
    working.filter(running_since__gte=began_at).update(running_since=lifted_at)
    working.filter(running_since__lt=began_at).update(running_since=F("running_since") + (lifted_at - began_at))
