"""The batch map as pages show it: paths drawn by the server, links into it, and where its script asks for more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from batches.charts import batch_map
from batches.charts.batch_map import OUTCOMES, BatchMap, hot_stretches, merged
from batches.charts.drawing import strip
from batches.models import Batch

COLUMNS, HEIGHT = 250, 56
STACKED = (2, 3, 4, 1, 0)
"""From below: failed, quarantined, waiting, skipped, done."""
LABELS = {"done": "done", "skipped": "skipped", "failed": "failed", "quarantined": "set aside", "waiting": "to go"}


def map_context(batch: Batch, found: BatchMap | None = None, *, draw: bool = False) -> dict[str, Any]:
    """What the template needs; pending: the batch is large, and its script asks for the picture after first paint."""
    found = found or (batch_map.map_of(batch) if draw else batch_map.map_now(batch))
    known = {
        "door": reverse("batch-map", args=[batch.pk]),
        "items": items_between(batch),
        "pending": found is None,
        "total": batch.total_items,
        "height": HEIGHT,
    }
    if found is None:
        return known
    bins = merged(found.bins, max(1, -(-len(found.bins) // COLUMNS)))
    sums = [sum(n) for n in zip(*found.bins, strict=True)] or [0] * len(OUTCOMES)
    paths = strip(bins, STACKED, HEIGHT)
    return known | {
        "data": found.to_dict(),
        "stale": not found.current,
        "columns": len(bins),
        "paths": [(OUTCOMES[place], paths[place]) for place in STACKED if paths[place]],
        "words": found.words,
        "stretch": found.stretch,
        "hot": [
            {"words": one.words, "url": items_between(batch, one.first, one.last, failed=True)}
            for one in hot_stretches(found.total_items, found.stretch, found.bins)
        ],
        "legend": [(OUTCOMES[place], LABELS[OUTCOMES[place]], sums[place]) for place in range(5) if sums[place]],
    }


def items_between(batch: Batch, first: int | None = None, last: int | None = None, *, failed: bool = False) -> str:
    """The address of the list of these items."""
    query = {"batch__id__exact": batch.pk} | ({"failed_at__isnull": "False"} if failed else {})
    if first is not None and last is not None:
        query |= {"position__gte": str(first), "position__lte": str(last)}
    return f"{reverse('admin:batches_item_changelist')}?{urlencode(query)}"


def items_title(query: Mapping[str, str]) -> str:
    """Which items a list shows, of those that the map and the numbers of a page lead to."""
    batch = Batch.objects.filter(pk=query.get("batch__id__exact", "").replace("\x00", "")).first()
    if batch is None:
        return "Items"
    ends = [query.get(name, "") for name in ("position__gte", "position__lte")]
    first, last = (int(end) if end.isdecimal() and len(end) < 12 else None for end in ends)
    one = first is not None and first == last
    what = ("Failed item" if query.get("failed_at__isnull") == "False" else "Item") + ("" if one else "s")
    where = f" {first:,}" if one else f" {first:,} to {last:,}" if first is not None and last is not None else ""
    return f"{what}{where} of {batch}"
