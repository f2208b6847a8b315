"""The error budget: more failures than a batch may have halt it."""

from __future__ import annotations

from batches.engine.slices import Slice
from batches.engine.statements import Totals
from batches.lifecycle import quarantined_items, transitions
from batches.models import Batch

SMALLEST_SAMPLE = 20  # items, before their error rate counts


def enforce_budget(slice_: Slice, totals: Totals) -> None:
    """Halt the batch when its error budget is used up, counted over all lanes."""
    batch = slice_.batch
    if halt_reason(batch, totals):
        batch.refresh_from_db(fields=["max_errors", "max_error_rate"])  # somebody may have raised it
        reason = halt_reason(batch, without_quarantined(batch, totals))
        if reason:
            transitions.move(batch.pk, Batch.Status.HALTED, verb="halt", actor="worker", reason=reason)


def without_quarantined(batch: Batch, totals: Totals) -> Totals:
    """The totals without items that a person has quarantined: those are no failures that the budget counts."""
    quarantined = quarantined_items.count_quarantined(batch)
    return Totals(totals.done - quarantined, totals.failed - quarantined)


def halt_reason(batch: Batch, totals: Totals) -> str:
    """Why the batch must halt; empty while it may go on."""
    if batch.max_errors is not None and totals.failed > batch.max_errors:
        return f"{totals.failed:,} items failed; the budget is {batch.max_errors:,}."
    if batch.max_error_rate is not None and totals.done >= SMALLEST_SAMPLE:
        rate = 100 * totals.failed / totals.done
        if rate > batch.max_error_rate:
            failed = f"{totals.failed:,} of {totals.done:,} items failed ({rate:.1f} %)"
            return f"{failed}; the budget is {batch.max_error_rate:g} %."
    return ""
