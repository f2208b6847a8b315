"""How many lanes the other side bears: Little's law below the plateau."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from statistics import median

HEADROOM = 0.9


def concurrency_target(per_minute: Sequence[float], seconds: float) -> int | None:
    """From successes a minute, in minutes that saw a rate limit, and mean seconds an item; None: not measured."""
    if not per_minute or seconds <= 0:
        return None
    return max(1, floor(round(HEADROOM * median(per_minute) / 60 * seconds, 9)))
