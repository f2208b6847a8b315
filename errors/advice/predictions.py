"""What a retry should bring: from past retries of the same failures, or from what is known of their category."""

from __future__ import annotations

from collections.abc import Sequence

from batches.proportions import wilson
from errors.advice.facts import GroupFacts, Prediction
from errors.advice.problems import PRIOR_WEIGHT, permanent_share

RECOVERED = "items recovered"
STANDARD_DEVIATIONS_95 = 1.959963984540054
"""Of a normal distribution, 95 % lie within so many standard deviations of its mean."""


def recoveries(waiting: int, recovered: float, retried: float, basis: str) -> Prediction:
    """Of `waiting` items, when `recovered` of `retried` came right before."""
    low, high = wilson(recovered, retried)
    mid = waiting * recovered / retried if retried else waiting / 2
    return Prediction(RECOVERED, round(waiting * low), round(mid), round(waiting * high), basis)


def group_recoveries(group: GroupFacts) -> Prediction:
    if group.retried:
        basis = f"{group.recovered:,} of {group.retried:,} came right when they were retried before"
        return recoveries(group.items, group.recovered, group.retried, basis)
    return category_recoveries(group.category, group.items)


def category_recoveries(category: str, waiting: int) -> Prediction:
    """Nothing was tried yet: Wilson's interval of the category's share, widened by how far `waiting` items spread."""
    share = 1 - permanent_share(category)
    low, high = wilson(PRIOR_WEIGHT * share, PRIOR_WEIGHT)
    bottom, top = waiting * low - spread(low, waiting), waiting * high + spread(high, waiting)
    basis = f"what {category} errors usually do; a canary will tell"
    return Prediction(RECOVERED, max(0, round(bottom)), round(waiting * share), min(waiting, round(top)), basis)


def spread(share: float, items: int) -> float:
    """How far the number of recovered items lies from its mean, but for one case in twenty."""
    return STANDARD_DEVIATIONS_95 * (items * share * (1 - share)) ** 0.5


def total(parts: Sequence[Prediction]) -> Prediction:
    """The sum. Groups err independently, so their distances from the middle add up as squares do."""
    mid = sum(part.mid for part in parts)
    below = sum((part.mid - part.low) ** 2 for part in parts) ** 0.5
    above = sum((part.high - part.mid) ** 2 for part in parts) ** 0.5
    basis = parts[0].basis if len(parts) == 1 else f"{len(parts)} groups, each by its own retries or category"
    return Prediction(RECOVERED, max(0, round(mid - below)), mid, round(mid + above), basis)
