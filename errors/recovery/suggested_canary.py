"""How many items of a retry go first, and how many of them must recover: the same on a form and in a plan."""

from __future__ import annotations

from batches import operations

DEFAULT_NEEDED, LEAST_NEEDED = 16, 2
"""Of the default canary, so many must recover where all are expected to; fewer where fewer are."""


def suggested_canary(items: int, expected: float | None) -> tuple[int, int]:
    """Of `items`, of which so many are `expected` to recover; None: nobody knows. No canary where all are as few."""
    canary = operations.DEFAULT_CANARY
    if items <= canary:
        return 0, 0
    share = 1.0 if expected is None else expected / items
    return canary, max(LEAST_NEEDED, int(DEFAULT_NEEDED * share))
