"""How often the portal's predictions held: over all, by processor, and retry by retry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.urls import reverse

from batches.wording import number_agrees, quantity
from errors.desk.addresses import retry_url, with_query
from errors.desk.predictions import expectation_text
from errors.detectors.findings import percent
from errors.recovery.kept_predictions import Comparison, Record, comparisons, record_of, records_by_processor

LISTED = 100
FEW = 20
"""Comparisons, below which a share says little."""


@dataclass(frozen=True, slots=True)
class ProcessorRow:
    """One processor: how often its predictions held."""

    processor: str
    record: Record

    @property
    def name(self) -> str:
        return self.processor or "Python API"

    @property
    def url(self) -> str:
        return with_query(reverse("admin:errors_predictions"), {"processor": self.processor})

    @property
    def share(self) -> str:
        return share_text(self.record)


@dataclass(frozen=True, slots=True)
class RetryComparison:
    """One retry: what was predicted and what came."""

    comparison: Comparison

    @property
    def url(self) -> str:
        return retry_url(self.comparison.retry.batch_id, self.comparison.retry.number)

    @property
    def predicted(self) -> str:
        return expectation_text(self.comparison.retry.predicted)

    @property
    def verdict(self) -> str:
        if self.comparison.held is None:
            return "not predicted"
        if self.comparison.held:
            return "held"
        return "fewer than predicted" if self.comparison.is_short else "more than predicted"


@dataclass(frozen=True, slots=True)
class PredictionPage:
    """The page, of one processor or of all."""

    processor: str
    sentence: str
    processors: Sequence[ProcessorRow]
    retries: Sequence[RetryComparison]
    more: int
    """Retries that the numbers are of, beside those listed."""


def prediction_page(processor: str = "") -> PredictionPage:
    rows = comparisons(processor)
    return PredictionPage(
        processor=processor,
        sentence=" ".join(sentences(record_of(rows))),
        processors=[ProcessorRow(name, record) for name, record in records_by_processor(rows).items()],
        retries=[RetryComparison(row) for row in rows[:LISTED]],
        more=max(0, len(rows) - LISTED),
    )


def share_text(record: Record) -> str:
    return "" if record.share is None else percent(record.share)


def sentences(record: Record) -> Iterator[str]:
    """What a person should think of the next prediction."""
    if not record.compared and not record.unknown:
        yield "No retry with a prediction is over yet: how often they hold is seen here once some are."
        return
    if record.compared:
        predictions = number_agrees(record.compared, "prediction was", "predictions were")
        held = f"{record.held:,} of {record.compared:,} {predictions} right"
        yield f"{held} ({share_text(record)}); nine of ten should be."
        yield f"Half of them left open no more than {percent(record.width or 0)} of the items."
        if record.compared < FEW:
            yield "That is too few to judge by."
    if record.unknown:
        yield f"Of {quantity(record.unknown, 'retry', 'retries')} nothing could be predicted, and it was said so."
