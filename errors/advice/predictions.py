"""What a retry should bring: from past retries of the same failures, or from what is known of their category."""

from __future__ import annotations

from collections.abc import Iterable

from errors.advice.facts import Group, Prediction
from errors.advice.problems import OTHERWISE, PERMANENT, WEIGHT
from errors.detectors.statistics import wilson

NORMAL = 1.959963984540054


def recoveries(waiting: int, worked: float, tried: float, basis: str) -> Prediction:
    """Of so many waiting items, when `worked` of `tried` came right before."""
    low, high = wilson(worked, tried)
    mid = waiting * worked / tried if tried else waiting / 2
    return Prediction("items recovered", round(waiting * low), round(mid), round(waiting * high), basis)


def of_group(group: Group) -> Prediction:
    if group.tried:
        said = f"{group.worked:,} of {group.tried:,} came right when they were retried before"
        return recoveries(group.items, group.worked, group.tried, said)
    return of_category(group.category, group.items)


def of_category(category: str, waiting: int) -> Prediction:
    """Nothing was tried yet: what the share may be, widened by how far so many items stray from it (95 %)."""
    share = 1 - PERMANENT.get(category, OTHERWISE)
    low, high = wilson(WEIGHT * share, WEIGHT)
    bottom, top = waiting * low - strays(low, waiting), waiting * high + strays(high, waiting)
    said = f"what {category} errors usually do; a canary will tell"
    metric, mid = "items recovered", round(waiting * share)
    return Prediction(metric, max(0, round(bottom)), mid, min(waiting, round(top)), said)


def strays(share: float, items: int) -> float:
    """How far the number that works lies from its mean, but for one case in twenty."""
    return NORMAL * (items * share * (1 - share)) ** 0.5


def added(predictions: Iterable[Prediction]) -> Prediction:
    """The sum. Groups err independently, so their distances from the middle add up as squares do."""
    parts = list(predictions)
    mid = sum(part.mid for part in parts)
    below = sum((part.mid - part.low) ** 2 for part in parts) ** 0.5
    above = sum((part.high - part.mid) ** 2 for part in parts) ** 0.5
    basis = parts[0].basis if len(parts) == 1 else f"{len(parts)} groups, each by its own retries or category"
    return Prediction("items recovered", max(0, round(mid - below)), mid, round(mid + above), basis)
