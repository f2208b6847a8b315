"""The same counts at a hundredth of the price: a process draws a hundredth of a limit at a time, and hands it out.

What all processes hand out never exceeds the limit, as each draws from the count they share; what a process has drawn
and not handed out by the end of the window is lost to the caller: a percent a process.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import time

from batches.access.allowances import Limit, Spending, Use, spend

SHARE = 100
MOST_KEPT = 10_000
"""Callers whose draws a process remembers; beyond that it forgets those whose windows have ended."""


class Allotments:
    """What this process has drawn for its callers."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.drawn: dict[str, tuple[Use, int]] = {}
        """Key -> its use as of the last draw, and how much of that draw is left."""

    def count(self, callers: Sequence[tuple[str, Limit]]) -> list[Use]:
        """Count one request of each of these; most need no statement, and none more than one for all."""
        handed_out = {key: self.hand_out(key) for key, _ in callers}
        known = {key: use for key, use in handed_out.items() if use is not None}
        missing = [Spending(key, limit, draw_of(limit)) for key, limit in callers if key not in known]
        for spending, use in zip(missing, spend(missing) if missing else (), strict=True):
            known[spending.key] = self.take_in(spending, use)
        return [known[key] for key, _ in callers]

    def hand_out(self, key: str) -> Use | None:
        """One of what is left, or the use of a limit that is known to be exceeded; None: ask the database."""
        with self.lock:
            if key not in self.drawn or self.drawn[key][0].ends_at <= time():
                return None
            use, left = self.drawn[key]
            if use.used - left >= use.limit.quantity:
                return Use(use.limit, use.limit.quantity + 1, use.ends_at)
            if not left:
                return None
            self.drawn[key] = use, left - 1
            return Use(use.limit, use.used - left + 1, use.ends_at)

    def take_in(self, spending: Spending, use: Use) -> Use:
        """Keep the rest of a draw; what goes beyond the limit was not to be had."""
        before = use.used - spending.amount
        usable = max(0, min(spending.amount, spending.limit.quantity - before))
        total = Use(use.limit, before + usable, use.ends_at)
        with self.lock:
            if len(self.drawn) >= MOST_KEPT:
                self.forget_ended()
            kept, left = self.drawn.get(spending.key, (total, 0))
            carried = left if kept.ends_at == total.ends_at else 0  # another thread has drawn meanwhile
            self.drawn[spending.key] = total, carried + max(0, usable - 1)
        return Use(use.limit, before + 1 if usable else spending.limit.quantity + 1, use.ends_at)

    def forget_ended(self) -> None:
        now = time()
        self.drawn = {key: kept for key, kept in self.drawn.items() if kept[0].ends_at > now}

    def clear(self) -> None:
        with self.lock:
            self.drawn.clear()


def draw_of(limit: Limit) -> int:
    return max(1, limit.quantity // SHARE)


allotments = Allotments()
