"""Processors that take the items of a chunk in one call (`many=True`): payloads in, an outcome for each out.

What an item that failed has written must be undone, and of one call only everything can be. So a call that fails some
of its items is undone, and made again without them; one that raises is undone, and its items go one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import datetime
from functools import partial
from time import monotonic

from batches import clock
from batches.engine.attempts import ends_run, failed_outcome, quarantined_outcome
from batches.engine.context import context_of
from batches.engine.slices import Slice
from batches.isolation.guard import Uncontained
from batches.lanes import leases, outcomes
from batches.lanes.outcomes import Claimed, Outcome
from batches.models import Item
from batches.processors import SkipItem
from batches.processors.calls import answers_of
from batches.redaction import take_in_hand

logger = logging.getLogger("batches")

SUCCEEDED = Item.Status.SUCCEEDED


class Undo(Exception):
    """Some items of a call did not succeed: what the call has written is undone."""


def process_together(slice_: Slice, items: list[Claimed]) -> list[Outcome] | None:
    """An outcome for each item, in their order; none when the run is to end; None when they are to go one by one."""
    crashed = {item.id: quarantined_outcome(slice_, item) for item in items if item.crashes >= leases.CRASHES_ALLOWED}
    try:
        settled = settle([item for item in items if item.id not in crashed], partial(call, slice_))
    except Uncontained:
        raise
    except BaseException as error:
        if ends_run(slice_, error):
            return []
        logger.warning("batch %s: %s of a call of %d items", slice_.batch.pk, type(error).__name__, len(items))
        return None
    return [crashed.get(item.id) or settled[item.id] for item in items]


def settle(items: list[Claimed], attempt: Callable[[list[Claimed]], list[Outcome]]) -> dict[int, Outcome]:
    """Outcomes by item id, of as many attempts as it takes until one has succeeded with all the items it was given."""
    settled: dict[int, Outcome] = {}
    while items:
        attempted = attempt(items)
        failed = [outcome for outcome in attempted if outcome.status != SUCCEEDED]
        settled.update((outcome.item.id, outcome) for outcome in (failed or attempted))
        items = [outcome.item for outcome in attempted if outcome.status == SUCCEEDED] if failed else []
    return settled


def call(slice_: Slice, items: list[Claimed]) -> list[Outcome]:
    """One call behind one savepoint, under the time limit of one item; undone unless all items have succeeded."""
    slice_.watchdog.watch()
    slice_.current, slice_.took, started_at, began = None, 0.0, clock.machine_now(), monotonic()
    contexts = [context_of(slice_, item) for item in items]
    take_in_hand(f"[{','.join(item.payload_json for item in items)}]", slice_.params.sources)
    payloads = [item.payload() for item in items]
    function = partial(copy_context().run, slice_.processor.function, payloads, contexts)
    attempted: list[Outcome] = []
    try:
        with slice_.isolation.item():
            answers = answers_of(slice_.isolation.interruptions.run_item(function), len(items))
            attempted = [outcome_of(slice_, *pair, started_at) for pair in zip(items, answers, strict=True)]
            if any(outcome.status != SUCCEEDED for outcome in attempted):
                raise Undo
    except Undo:
        pass
    finally:
        slice_.took = monotonic() - began
    share_time(attempted, started_at)
    return attempted


def outcome_of(slice_: Slice, item: Claimed, answer: object, started_at: datetime) -> Outcome:
    """The outcome of a result, or of an exception that was given back in its place."""
    if isinstance(answer, SkipItem):
        return outcomes.skipped(item, answer.reason, started_at, slice_.params.sources)
    if isinstance(answer, Exception):
        return failed_outcome(slice_, item, answer, started_at)
    try:
        return outcomes.succeeded(item, answer, started_at, slice_.params.sources)
    except outcomes.ResultRefused as refused:
        return failed_outcome(slice_, item, refused, started_at)


def share_time(attempted: Sequence[Outcome], started_at: datetime) -> None:
    """Each item began when its share of the call did: the times of all add up to that of the call."""
    share = (clock.machine_now() - started_at) / max(1, len(attempted))
    for number, outcome in enumerate(attempted):
        outcome.started_at, outcome.finished_at = started_at + number * share, started_at + (number + 1) * share
