"""Would twice the time have helped? Three shares of attempts still running, no model fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TIGHT, HANG = 0.5, 0.1
"""Shares of the timeouts that would end: from the first on the limit is tight, below the second attempts hang."""
LEAST_ENDING = 0.4
"""Of those cut off, as many must have ended in the second half of the limit, before more than that are hoped for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`share` of the timeouts would end within twice the limit; `never` is the share of attempts that does not end."""

    kind: Literal["tight", "mixed", "hang"]
    share: float
    never: float = 0.0


def timeout_verdict(durations: Sequence[float], timeouts: float, limit: float) -> Verdict:
    """From `durations` of attempts that ended by themselves and the number cut off at the `limit`, in seconds."""
    total = len(durations) + timeouts
    if not timeouts or not any(limit / 2 < seconds <= limit for seconds in durations):
        return Verdict("hang", 0.0)
    quarter, half, whole = (
        (timeouts + sum(seconds > at for seconds in durations)) / total for at in (limit / 4, limit / 2, limit)
    )
    return verdict_of(quarter, half, whole)


def verdict_of(quarter: float, half: float, whole: float) -> Verdict:
    """From the shares still running at a quarter, half, and all of the limit: Aitken's limit of the three.

    Where they end faster and faster, as attempts do whose time grows with the item, as many as before end later.
    """
    bend = quarter + whole - 2 * half
    never = min(whole, max(0.0, (quarter * whole - half * half) / bend)) if bend else 0.0
    later = never + (whole - never) ** 2 / (half - never) if half > never else whole
    if bend < 0 and half - whole >= LEAST_ENDING * whole:
        later = max(0.0, whole - 2 * (half - whole))
    share = round(min(1.0, max(0.0, 1 - later / whole)), 12) if whole else 0.0
    return Verdict("tight" if share >= TIGHT else "hang" if share < HANG else "mixed", share, never)
