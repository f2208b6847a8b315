"""What holds a batch, and with it every retry and plan of it: they are not under way while it stands still."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from batches import operations
from batches.engine.waiting_reasons import WaitingReasons
from batches.models import Batch
from batches.moments import moment
from batches.progress_text import waits_because
from batches.progress_tracker import get_progress

Status = Batch.Status


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing of it goes on, in words behind `held:`; and where a person lets it go on, if that is a page."""

    text: str
    url: str = ""
    button: str = ""


def hold_of(batch: Batch) -> Hold | None:
    """None for a batch that goes on, or has nothing more to do."""
    if batch.status == Status.HALTED:
        halted = batch.transitions.filter(to_status=Status.HALTED).last()
        since = f" since {moment(halted.at)}" if halted else ""
        resume = reverse("admin:batches_batch_act", args=[batch.pk, "resume"])
        button = "Raise it and go on…" if operations.holding_reason(batch) else ""
        return Hold(f"held by the error budget{since}: {batch.reason}", resume if button else "", button)
    if batch.status in (Status.PAUSED, Status.PAUSING):
        return Hold(f"its batch is {batch.get_status_display().lower()}")
    if batch.status not in Batch.ACTIVE:
        return None
    progress, reasons = get_progress(batch.pk), WaitingReasons()
    if reasons.pause is not None and (because := waits_because(batch, progress, reasons)):
        return Hold(f"{because[0].lower()}{because[1:]}")
    return Hold("no worker has its batch") if progress.stuck else None
