"""How often predictions held: each retry that is over beside what was expected of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from batches.models import Retry
from errors.recovery.outcomes import held

COMPARED_AT_ONCE = 50
LOOKED_BACK = 1_000
"""Retries that the record is of, the latest: how good predictions were long ago tells nobody about those of today."""


def compare(batch_id: str = "") -> int:
    """Keep what came of retries that are done, of one batch or of any; returns of how many.

    A few at a time, the oldest first: the sweep goes on with the others. Items that are gone cannot be counted any
    more, and nothing is kept of their retry.
    """
    done = Retry.objects.filter(state=Retry.State.DONE, actual__isnull=True).order_by("pk")
    retries = list((done.filter(batch=batch_id) if batch_id else done)[:COMPARED_AT_ONCE])
    for pk, outcome in Retry.outcomes(retries).items() if retries else ():
        Retry.objects.filter(pk=pk, actual__isnull=True).update(actual=outcome if any(outcome.values()) else {})
    return len(retries)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One retry: what was predicted of it, and what came of it."""

    retry: Retry

    @property
    def held(self) -> bool | None:
        """None where nothing was known before."""
        return held(self.retry.predicted, self.retry.actual or {"waiting": 1})

    @property
    def recovered(self) -> int:
        return int((self.retry.actual or {}).get("recovered", 0))

    @property
    def width(self) -> float:
        """Of the interval, as a share of the items."""
        low, high = self.retry.predicted["low"], self.retry.predicted["high"]
        return float((high - low) / self.retry.items) if self.retry.items else 0.0

    @property
    def is_short(self) -> bool:
        """Whether fewer came right than the least that was predicted."""
        return self.held is False and self.recovered < self.retry.predicted["low"]


@dataclass(frozen=True, slots=True)
class Record:
    """How many predictions were compared and held; of the others, fewer items came right (`short`) or more (`beyond`).

    Of `unknown` retries nothing could be predicted. `width` is the median share of the items that an interval spans.
    """

    compared: int
    held: int
    short: int
    beyond: int
    unknown: int
    width: float | None

    @property
    def share(self) -> float | None:
        return self.held / self.compared if self.compared else None


def comparisons(processor: str = "") -> list[Comparison]:
    """The latest retries that are over and had a prediction, the latest first, of one processor or of all."""
    retries = Retry.objects.filter(kind=Retry.Kind.RETRY, state=Retry.State.DONE, actual__isnull=False)
    if processor:
        retries = retries.filter(batch__processor=processor)
    latest = retries.exclude(predicted={}).exclude(actual={}).select_related("batch").order_by("-pk")
    return [Comparison(retry) for retry in latest[:LOOKED_BACK]]


def record_of(rows: Iterable[Comparison]) -> Record:
    judged: dict[bool | None, list[Comparison]] = defaultdict(list)
    for row in rows:
        judged[row.held].append(row)
    short = sum(row.is_short for row in judged[False])
    compared = [*judged[True], *judged[False]]
    return Record(
        compared=len(compared),
        held=len(judged[True]),
        short=short,
        beyond=len(judged[False]) - short,
        unknown=len(judged[None]),
        width=median(row.width for row in compared) if compared else None,
    )


def records_by_processor(rows: Iterable[Comparison]) -> Mapping[str, Record]:
    """Those with most comparisons first."""
    by_processor: dict[str, list[Comparison]] = defaultdict(list)
    for row in rows:
        by_processor[row.retry.batch.processor].append(row)
    records: dict[str, Any] = {name: record_of(those) for name, those in by_processor.items()}
    return dict(sorted(records.items(), key=lambda pair: (-pair[1].compared, pair[0])))
