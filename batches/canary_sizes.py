"""How many items of a retry go first, and how many of them must recover: the same at every door."""

from __future__ import annotations

SHARE = 10
"""One of so many items goes first."""
LEAST, MOST = 20, 120
"""Of 120, half of which pass, the rest is known to a fifth of its items; more would tell little more."""
NEEDED_SHARE, LEAST_NEEDED = 0.8, 2
"""Of the canary, such a share must recover where all are expected to; fewer where fewer are."""


def canary_of(items: int) -> int:
    """Not fewer than `LEAST`, which may be all of the items."""
    return min(MOST, max(LEAST, items // SHARE))


def suggested_canary(items: int, expected: float | None, chosen: int | None = None) -> tuple[int, int]:
    """Of `items`, of which so many are `expected` to recover; None: nobody knows. No canary where all are as few.

    `chosen`: so many go first as whoever leads here has chosen.
    """
    canary = canary_of(items) if chosen is None else chosen
    if items <= canary or not canary:
        return 0, 0
    share = 1.0 if expected is None else expected / items
    return canary, min(canary, max(LEAST_NEEDED, int(canary * NEEDED_SHARE * share)))
