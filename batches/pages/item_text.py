"""An item's state in words."""

from __future__ import annotations

from django.utils import timezone

from batches import durations
from batches.lanes import unknown_outcomes
from batches.models import Batch, Item, QuarantinedItem
from batches.moments import moment
from batches.redaction import redact_text
from batches.wording import quantity

Status = Item.Status
HELD_UP: dict[str, str] = {
    Batch.Status.PENDING: " Its batch has not been started.",
    Batch.Status.PAUSED: " Its batch is paused: nothing runs before that goes on.",
    Batch.Status.HALTED: " Its batch is halted: nothing runs before that goes on.",
    Batch.Status.FAILED: " The portal could not run its batch: nothing runs before that goes on.",
}
"""By the batch's status, why an item of it does not run."""


def sentence(item: Item, quarantined: QuarantinedItem | None) -> str:
    """How the item stands. `aside` says how it was set aside, if a person did that."""
    if item.status == Status.QUARANTINED:
        return why_quarantined(item, quarantined)
    if item.status == Status.SUCCEEDED:
        return f"It succeeded at {attempt_text(item.attempts)}{duration_text(item)}."
    if item.status == Status.SKIPPED:
        return f"There was nothing to do: {redact_text(item.message, item.payload) or 'no reason was given'}"
    if item.status == Status.FAILED:
        failed = f"It failed at {attempt_text(item.attempts)}{duration_text(item)}"
        return f"{failed}; nothing runs it again until somebody asks."
    if item.status == Status.RUNNING:
        return f"A worker has it: {attempt_text(item.attempts + 1)} is under way."
    return pending(item)


def pending(item: Item) -> str:
    """Of an item without an outcome: what it waits for, and what keeps its batch from trying it."""
    next_try = attempt_text(item.attempts + 1)
    if item.batch.status in Batch.CLOSED:
        return f"It has no outcome: its batch ended before {next_try}."
    if item.available_at and item.available_at > timezone.now():
        waits = f"It waits until {moment(item.available_at)} for {next_try}."
    else:
        waits = f"It waits for {next_try}." if item.attempts else "It waits for its turn."
    return f"{waits}{HELD_UP.get(item.batch.status, '')}"


def attempt_text(n: int) -> str:
    return "its first attempt" if n == 1 else f"attempt {n:,}"


def duration_text(item: Item) -> str:
    if item.started_at is None or item.finished_at is None:
        return ""
    return f", after {durations.precise((item.finished_at - item.started_at).total_seconds())}"


def why_quarantined(item: Item, quarantined: QuarantinedItem | None) -> str:
    if quarantined is not None:
        why = f": {quarantined.quarantine.reason}" if quarantined.quarantine.reason else "."
        return f"{quarantined.quarantine.actor or 'Somebody'} set it aside{why}"
    if item.code == unknown_outcomes.CODE:
        return "Nobody knows whether its call arrived: look at the receiver, then decide."
    if item.crashes:
        return f"It is set aside: its worker died {quantity(item.crashes, 'time')} while it was in flight."
    return "It is set aside: nothing runs it until somebody asks."


def failure_message(item: Item) -> str:
    """Why it failed, if it did."""
    return redact_text(item.message, item.payload) if item.failed_at else ""
