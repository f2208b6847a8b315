"""D6: is a kind of error new, does it come back, does it rule the batch, is it far above its own past?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from errors.detectors.statistics import wilson

LAST, RECURS_IN, LEAST_HISTORY, LEAST_SPIKE = 5, 3, 5, 5


def is_recurring(seen_in: int) -> bool:
    """Seen in so many of the last five finished batches."""
    return seen_in >= RECURS_IN


def is_dominant(errors: int, of: int) -> bool:
    """Half of the batch's errors, and not by a handful of them."""
    return of > 0 and 2 * errors >= of and wilson(errors, of)[0] > 1 / 3


def spike(items: int, total: int, rates: Sequence[float]) -> Literal["yes", "no", "undecided"]:
    """Above twice the worst of the last batches. Distribution-free, so batches may differ; it needs five of them."""
    if len(rates) < LEAST_HISTORY:
        return "undecided"
    return "yes" if total and items >= LEAST_SPIKE and items / total > 2 * max(rates) else "no"
