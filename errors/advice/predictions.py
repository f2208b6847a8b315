"""What a retry should bring: from past retries of the same failures, or from what is known of their category."""

from __future__ import annotations

from collections.abc import Iterable

from errors.advice.facts import Group, Prediction
from errors.advice.problems import OTHERWISE, PERMANENT, WEIGHT
from errors.detectors.statistics import wilson


def recoveries(waiting: int, worked: float, tried: float, basis: str) -> Prediction:
    """Of so many waiting items, when `worked` of `tried` came right before."""
    low, high = wilson(worked, tried)
    mid = waiting * worked / tried if tried else waiting / 2
    return Prediction("items recovered", round(waiting * low), round(mid), round(waiting * high), basis)


def of_group(group: Group) -> Prediction:
    if group.tried:
        said = f"{group.worked:,} of {group.tried:,} came right when they were retried before"
        return recoveries(group.items, group.worked, group.tried, said)
    works = WEIGHT * (1 - PERMANENT.get(group.category, OTHERWISE))
    return recoveries(group.items, works, WEIGHT, f"what {group.category} errors usually do; a canary will tell")


def added(predictions: Iterable[Prediction]) -> Prediction:
    """The sum. Groups err independently, so their distances from the middle add up as squares do."""
    parts = list(predictions)
    mid = sum(part.mid for part in parts)
    below = sum((part.mid - part.low) ** 2 for part in parts) ** 0.5
    above = sum((part.high - part.mid) ** 2 for part in parts) ** 0.5
    basis = parts[0].basis if len(parts) == 1 else f"{len(parts)} groups, each by its own retries or category"
    return Prediction("items recovered", max(0, round(mid - below)), mid, round(mid + above), basis)
