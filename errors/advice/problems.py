"""Items that keep failing. Permanent failures are told from passing ones by how often retries fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PERMANENT_SHARES: Mapping[str, float] = {
    "validation": 0.98,
    "defect": 0.95,
    "not_found": 0.95,
    "timeout": 0.4,
    "network": 0.1,
    "upstream": 0.1,
    "rate_limit": 0.05,
}
"""Share of failures that never pass, by category, where this batch's retries do not tell."""
PERMANENT_SHARE_OTHERWISE = 0.5
PRIOR_WEIGHT = 10
"""How many items such a share counts for, beside items that were really tried."""
LEAST_RETRIED = 30
POISON = 0.9
"""Probability of a permanent failure from which on an item is poison."""

Label = Literal["poison", "shape-shifter", "flaky", "crasher", "unclear"]


@dataclass(frozen=True, slots=True)
class TwoKinds:
    """`permanent` of the first failures never pass; the others fail again with chance `again`."""

    permanent: float
    again: float

    def is_permanent(self, failures: int) -> float:
        """Probability that an item never passes which failed so many times in a row."""
        passing = (1 - self.permanent) * self.again ** (failures - 1)
        both = self.permanent + passing
        return self.permanent / both if both else 0.0

    def next_works(self, failures: int) -> float:
        """Probability that its next attempt succeeds."""
        return (1 - self.is_permanent(failures)) * (1 - self.again)


@dataclass(frozen=True, slots=True)
class Problem:
    """An item that failed again and again. `permanent` and `next_works` are probabilities."""

    key: str
    failures: int
    label: Label
    permanent: float
    next_works: float
    fingerprint: str = ""
    """The group of its last failure."""


def two_kinds(first: float, second: float, third: float) -> TwoKinds | None:
    """From how many items failed once, twice and three times, all of them retried; None: too few to tell."""
    if first < LEAST_RETRIED:
        return None
    u, v = second / first, third / first
    spread = 1 + v - 2 * u
    permanent = clipped((v - u * u) / spread) if spread > 0 else 1.0
    return TwoKinds(permanent, clipped((u - permanent) / (1 - permanent)) if permanent < 1 else 1.0)


def prior_kinds(category: str) -> TwoKinds:
    """What is known of a category beforehand; a passing failure passes as often as not."""
    return TwoKinds(permanent_share(category), 0.5)


def permanent_share(category: str) -> float:
    return PERMANENT_SHARES.get(category, PERMANENT_SHARE_OTHERWISE)


def clipped(share: float) -> float:
    return min(1.0, max(0.0, share))


def problem(
    key: str, failures: int, different: int, kinds: TwoKinds, *, succeeded: bool = False, crashes: int = 0
) -> Problem:
    """Label an item that failed `failures` times in `different` ways, and took `crashes` workers down."""
    permanent = kinds.is_permanent(failures)
    label: Label = "unclear"
    if crashes >= 2:
        label = "crasher"
    elif succeeded:
        label = "flaky"
    elif different >= 2:
        label = "shape-shifter"
    elif permanent >= POISON:
        label = "poison"
    return Problem(key, failures, label, permanent, kinds.next_works(failures))
