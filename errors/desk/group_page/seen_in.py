"""In which batches of its processor a group was seen: a sparkline of the last ones, and a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batches.models import Batch
from batches.wording import quantity
from errors.desk.addresses import group_url
from errors.desk.group_page.header import share
from errors.models import BatchGroup, ErrorGroup

BATCHES_DRAWN, BATCHES_LISTED = 30, 10
WIDTH, HEIGHT, GAP = 240, 44, 2
LEAST_BARS = 12
SEEN_LEAST, UNSEEN = 4.0, 1.5
"""The height of the lowest bar, and of the dot of a batch in which the group was not seen."""


@dataclass(frozen=True, slots=True)
class SparkBar:
    """One batch in the sparkline."""

    x: float
    y: float
    width: float
    height: float
    is_current: bool
    title: str


@dataclass(frozen=True, slots=True)
class SeenBatch:
    """One batch of the list; `url` is the group's page in it, empty for the batch at hand."""

    batch: Batch
    items: int
    share: str
    url: str


@dataclass(frozen=True, slots=True)
class SeenIn:
    """The batches in which a group was seen."""

    batches: int
    summary: str
    bars: list[SparkBar]
    listed: list[SeenBatch]

    @property
    def unlisted(self) -> int:
        return self.batches - len(self.listed)


def seen_in(batch: Batch, group: ErrorGroup) -> SeenIn:
    latest = latest_batches(batch, group)
    rows = BatchGroup.objects.filter(group=group)
    items = dict(rows.filter(batch__in=[other.pk for other in latest]).values_list("batch", "items"))
    seen = [other for other in latest if other.pk in items]
    return SeenIn(
        batches=rows.count(),
        summary=f"Seen in {len(seen):,} of the last {len(latest):,} batches of its processor.",
        bars=spark_bars(latest[::-1], items, batch),
        listed=[seen_batch(other, group, items[other.pk], batch) for other in seen[:BATCHES_LISTED]],
    )


def latest_batches(batch: Batch, group: ErrorGroup) -> list[Batch]:
    """The last batches of the processor, with and without the group; the batch at hand is always one of them."""
    batches = Batch.objects.filter(processor=group.processor).order_by("-created_at", "-pk")
    latest = list(batches.only("pk", "name", "total_items", "created_at")[:BATCHES_DRAWN])
    return latest if batch in latest else [*latest[: BATCHES_DRAWN - 1], batch]


def seen_batch(other: Batch, group: ErrorGroup, items: int, batch: Batch) -> SeenBatch:
    url = "" if other == batch else group_url(other.pk, group.fingerprint)
    return SeenBatch(other, items, share(items, other.total_items), url)


def spark_bars(batches: Sequence[Batch], items: Mapping[str, int], current: Batch) -> list[SparkBar]:
    """The share of each batch's items that it hit, the oldest batch first; a dot where it was not seen."""
    shares = [items.get(batch.pk, 0) / max(1, batch.total_items) for batch in batches]
    highest, step = max(shares, default=0) or 1, WIDTH / max(LEAST_BARS, len(batches))
    bars = []
    for place, (batch, part) in enumerate(zip(batches, shares, strict=True)):
        height = max(SEEN_LEAST, part / highest * (HEIGHT - SEEN_LEAST)) if part else UNSEEN
        hit = f"{items[batch.pk]:,} of {quantity(batch.total_items, 'item')}" if batch.pk in items else "not seen"
        bars.append(
            SparkBar(
                x=round(place * step, 1),
                y=round(HEIGHT - height, 1),
                width=round(step - GAP, 1),
                height=round(height, 1),
                is_current=batch == current,
                title=f"{batch}: {hit}",
            )
        )
    return bars
