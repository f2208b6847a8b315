"""The batch map as pages show it: paths drawn by the server, links into it, and where its script asks for more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from batches.charts import batch_map
from batches.charts.batch_map import OUTCOMES, BatchMap, hot_stretches, merged
from batches.charts.drawing import strip
from batches.models import Batch
from batches.pages.item_list import items_between, items_url

COLUMNS, HEIGHT = 250, 56
"""Of the picture; a column is a unit wide."""
STACKED = (2, 3, 4, 1, 0)
"""From below: failed, quarantined, waiting, skipped, done."""
LABELS = {"done": "done", "skipped": "skipped", "failed": "failed", "quarantined": "set aside", "waiting": "no outcome"}


@dataclass(frozen=True, slots=True)
class HotLink:
    """A stretch where failures lie thick, and its failed items."""

    words: str
    url: str


@dataclass(frozen=True, slots=True)
class MapPage:
    """`pending`: the batch is large, and its script asks for the picture after first paint. `fixed`: it never changes.

    `lanes` are lines of marks below the strip; `data` is what the script draws from.
    """

    door: str
    items: str
    total: int
    pending: bool = True
    stale: bool = False
    fixed: bool = False
    height: int = HEIGHT
    columns: int = 0
    stretch: int = 0
    paths: Sequence[tuple[str, str]] = ()
    words: str = ""
    hot: Sequence[HotLink] = ()
    legend: Sequence[tuple[str, str, int]] = ()
    lanes: Sequence[Any] = ()
    data: Any = None


def map_page(batch: Batch, drawn: BatchMap | None = None, *, draw: bool = False) -> MapPage:
    """Of the map that is given, or of the batch's own; with `draw` also if counting that takes long."""
    drawn = drawn or (batch_map.map_of(batch) if draw else batch_map.map_now(batch))
    door, items = reverse("batch-map", args=[batch.pk]), items_url(batch)
    if drawn is None:
        return MapPage(door, items, batch.total_items)
    bins = merged(drawn.bins, max(1, -(-len(drawn.bins) // COLUMNS)))
    sums = [sum(n) for n in zip(*drawn.bins, strict=True)] or [0] * len(OUTCOMES)
    paths = strip(bins, STACKED, HEIGHT)
    return MapPage(
        door,
        items,
        batch.total_items,
        pending=False,
        stale=not drawn.current,
        columns=len(bins),
        stretch=drawn.stretch,
        paths=[(OUTCOMES[outcome], paths[outcome]) for outcome in STACKED if paths[outcome]],
        words=drawn.words,
        hot=[
            HotLink(stretch.words, items_between(batch, stretch.first, stretch.last, failed=True))
            for stretch in hot_stretches(drawn.total_items, drawn.stretch, drawn.bins)
        ],
        legend=[(name, LABELS[name], count) for name, count in zip(OUTCOMES, sums, strict=True) if count],
        data=drawn.to_dict(),
    )
