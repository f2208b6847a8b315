"""The error budget: more failures than a batch may have halt it, at the next item that fails for the first time."""

from __future__ import annotations

from collections.abc import Sequence

from batches.engine.slices import Slice
from batches.engine.statements import Totals
from batches.lanes.lane_counts import counters_of
from batches.lanes.outcomes import Outcome
from batches.lifecycle import quarantined_items, transitions
from batches.models import Batch, Item, RetriedItem
from batches.wording import quantity

SMALLEST_SAMPLE = 20  # items, before their error rate counts
BUDGETS = ("max_errors", "max_error_rate")
"""The limits of a batch that halt it."""


def enforce_budget(slice_: Slice, totals: Totals, outcomes: Sequence[Outcome]) -> None:
    """Halt the batch when its error budget is used up, counted over all lanes, and one of these failures is new."""
    batch = slice_.batch
    if halt_reason(batch, totals) and has_new_failure(outcomes):
        batch.refresh_from_db(fields=BUDGETS)  # somebody may have raised it
        reason = halt_reason(batch, without_quarantined(batch, totals))
        if reason:
            transitions.move(batch.pk, Batch.Status.HALTED, verb="halt", actor="worker", reason=reason)


def has_new_failure(outcomes: Sequence[Outcome]) -> bool:
    """Whether an item failed that no bulk retry had put back: one that fails again was counted before."""
    failed = {outcome.item.id for outcome in outcomes if outcome.status in Item.FAILED_STATUSES}
    put_back = RetriedItem.objects.filter(item__in=failed).exclude(fate__in=RetriedItem.UNTRIED)
    return bool(failed) and len(failed) > put_back.values("item").distinct().count()


def without_quarantined(batch: Batch, totals: Totals) -> Totals:
    """The totals without items that a person has quarantined: those are no failures that the budget counts."""
    quarantined = quarantined_items.count_quarantined(batch)
    return Totals(totals.done - quarantined, totals.failed - quarantined)


def halt_reason(batch: Batch, totals: Totals) -> str:
    """Why the batch must halt; empty while it may go on."""
    if batch.max_errors is not None and totals.failed > batch.max_errors:
        return f"{quantity(totals.failed, 'item')} failed; the budget is {batch.max_errors:,}."
    if batch.max_error_rate is not None and totals.done >= SMALLEST_SAMPLE:
        rate = 100 * totals.failed / totals.done
        if rate > batch.max_error_rate:
            failed = f"{totals.failed:,} of {quantity(totals.done, 'item')} failed ({rate:.1f} %)"
            return f"{failed}; the budget is {batch.max_error_rate:g} %."
    return ""


def totals_of(batch: Batch) -> Totals:
    """As the budget counts them: without what a person has quarantined."""
    count = counters_of(batch.pk)
    return without_quarantined(batch, Totals(sum(count.values()), count["failed"] + count["quarantined"]))


def holding_reason(batch: Batch) -> str:
    """Why a halted batch, resumed as it is, would halt at the next item that fails; empty for any other."""
    if batch.status != Batch.Status.HALTED or sum(counters_of(batch.pk).values()) >= batch.total_items:
        return ""
    return halt_reason(batch, totals_of(batch))
