"""How many items of a retry go first, so that they tell what may come of the rest."""

from __future__ import annotations

SHARE = 10
"""One of so many items goes first."""
LEAST, MOST = 20, 120
"""Of 120, half of which pass, the rest is known to a fifth of its items; more would tell little more."""


def canary_of(items: int) -> int:
    """The same for every door that proposes a canary. Not fewer than `LEAST`, which may be all of the items."""
    return min(MOST, max(LEAST, items // SHARE))
