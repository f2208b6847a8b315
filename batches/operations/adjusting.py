"""Adjust: change how a batch runs."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import transaction

from batches import waking
from batches.exceptions import InvalidInput, InvalidTransition
from batches.lifecycle import transitions
from batches.models import Batch
from batches.operations.lookups import get_batch
from batches.operations.submission import OPTIONS, refuse_bad_options, refuse_bad_start

ADJUSTABLE = tuple(name for name in OPTIONS if name != "checkpoint_every")
"""How large a chunk is stays what it was."""


def adjust(batch_id: str, *, actor: str = "", reason: str = "", **changes: Any) -> Batch:
    """Change how a batch runs: lanes, rate, priority, attempts, time limit, error budget (None: no limit).

    Also while it runs: each lane takes the new values at its next time slice, 30 s later at most. Raises
    `InvalidInput` for a value or a name that cannot be, and `InvalidTransition` for a batch that has ended for good.
    """
    batch = get_batch(batch_id)
    refuse_unknown_names(changes)
    if "start_at" in changes:
        refuse_bad_start(changes["start_at"])
    if batch.is_final and batch.status != Batch.Status.COMPLETED:
        raise InvalidTransition(batch_id, "adjust", Batch.Status(batch.status).label)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if "start_at" in changes and batch.status != Batch.Status.PENDING:
            remedy = "It has been started: there is no time to change."
            raise InvalidTransition(batch_id, "adjust", Batch.Status(batch.status).label, remedy)
        before = {name: getattr(batch, name) for name in changes}
        for name, value in changes.items():
            setattr(batch, name, value)
        refuse_bad_options(batch)
        batch.save(update_fields=list(changes))
        differences = "; ".join(f"{name} {text_of(before[name])} → {text_of(getattr(batch, name))}" for name in changes)
        transitions.record(
            batch, "adjust", batch.status, batch.status, actor=actor, reason=f"{differences}. {reason}".strip()
        )
        transaction.on_commit(partial(waking.wake, batch_id))
    return batch


def text_of(value: Any) -> str:
    """As the history has it: a time in UTC, which it names."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else str(value)


def refuse_unknown_names(changes: dict[str, Any]) -> None:
    strange = sorted(set(changes) - set(ADJUSTABLE))
    if strange or not changes:
        names = ", ".join(ADJUSTABLE)
        raise InvalidInput(f"Say what to change, by any of: {names}.", {name: ["Unknown."] for name in strange})
