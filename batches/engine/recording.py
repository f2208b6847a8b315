"""What commits together of a chunk, and what the slice remembers of it afterwards."""

from __future__ import annotations

from batches.engine.rate_limits import count_rate_limited
from batches.engine.slices import CLAIM_WINDOW, Slice
from batches.engine.statements import Totals, record
from batches.extensions import record_failures
from batches.lanes import counters
from batches.lanes.outcomes import Outcome
from batches.lifecycle import hints, milestones


def record_outcomes(slice_: Slice, outcomes: list[Outcome]) -> Totals:
    """Error records, items, idempotency rows, the lane and its milestones. Whatever it raises, roll back."""
    batch, lease = slice_.batch, slice_.lease
    count_rate_limited(batch, outcomes)
    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    if failures:
        record_failures(batch, failures)
    position = max(lease.position, *(outcome.item.position for outcome in outcomes))
    careful = max(0, lease.careful - len(outcomes))
    totals = record(lease, outcomes, position=position, careful=careful, processor=slice_.processor)
    if totals.done * 100 >= slice_.next_milestone * batch.total_items:
        milestones.reach_milestones(batch.pk, totals.done, batch.total_items)
        slice_.next_milestone = milestones.next_milestone(100 * totals.done // batch.total_items)
    return totals


def advance(slice_: Slice, outcomes: list[Outcome]) -> None:
    """The chunk is committed: remember where the lane stands now."""
    position = max(outcome.item.position for outcome in outcomes)
    slice_.lease.position = max(slice_.lease.position, position)
    if outcomes[0].item.available_at is None:
        slice_.cursor = position
    slice_.lease.careful = max(0, slice_.lease.careful - len(outcomes))
    slice_.alone = max(0, slice_.alone - len(outcomes))
    slice_.window = CLAIM_WINDOW
    hints.hint(slice_.batch.pk)
    count_items(slice_, outcomes)


def count_items(slice_: Slice, outcomes: list[Outcome]) -> None:
    """Count what was committed: for whoever called, and for `/metrics`."""
    slice_.tally.update(str(outcome.status) for outcome in outcomes)
    took = [(outcome.finished_at - outcome.started_at).total_seconds() for outcome in outcomes if outcome.tried]
    counters.observe("item_seconds", slice_.batch.processor, seconds=took)
    if hits := sum(outcome.remembered for outcome in outcomes):
        counters.add("idem_hits", by=hits)
