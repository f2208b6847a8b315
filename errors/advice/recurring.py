"""Does a kind of error come back, does it rule the batch, is the batch far above its processor's past?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from batches.proportions import wilson

HISTORY_BATCHES = 5
"""Finished batches of the same processor that are looked back at; a spike needs as many."""
RECURS_IN = 3
LEAST_SPIKE_ITEMS = 5


def is_recurring(batches_seen_in: int) -> bool:
    """Whether a group was seen in enough of the last finished batches."""
    return batches_seen_in >= RECURS_IN


def is_dominant(errors: int, of: int) -> bool:
    """Whether `errors` are half of the batch's, and more than a handful."""
    return of > 0 and 2 * errors >= of and wilson(errors, of)[0] > 1 / 3


def spike(items: int, total: int, rates: Sequence[float]) -> Literal["yes", "no", "undecided"]:
    """Whether the rate is above twice the worst of the last batches; undecided with too few of them.

    Nothing is assumed about how rates are distributed, so batches may differ.
    """
    if len(rates) < HISTORY_BATCHES:
        return "undecided"
    return "yes" if total and items >= LEAST_SPIKE_ITEMS and items / total > 2 * max(rates) else "no"
