"""Rate-limited attempts do not count towards an item's limit, yet they end: by their number, and by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Coalesce

from batches.lanes.outcomes import Outcome
from batches.models import Batch, Item


def count_rate_limited(batch: Batch, outcomes: Sequence[Outcome]) -> None:
    """Count those of a chunk that are to be tried again although they count for nothing; the last one of an item is
    its failure. Before the outcomes are written, in their transaction."""
    limited = {outcome.item.id: outcome for outcome in outcomes if outcome.forgiven}
    if not limited:
        return
    items = Item.objects.filter(pk__in=limited)
    for pk, attempts, since in items.values_list("pk", "rate_limited", "rate_limited_since"):
        outcome = limited[pk]
        lasted = outcome.finished_at - (since or outcome.started_at)
        patience = timedelta(seconds=batch.rate_limit_seconds)
        if (attempts or 0) + 1 >= batch.rate_limit_attempts or lasted >= patience:
            end(outcome)
    for pk in sorted(limited):
        items.filter(pk=pk).update(
            rate_limited=Coalesce(F("rate_limited"), 0) + 1,
            rate_limited_since=Coalesce(F("rate_limited_since"), limited[pk].started_at),
        )


def end(outcome: Outcome) -> None:
    """The item fails now: it is not tried again."""
    outcome.status, outcome.available_at, outcome.forgiven = Item.Status.FAILED, None, False
    if outcome.failure is not None:
        outcome.failure = replace(outcome.failure, final=True)
