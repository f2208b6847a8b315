"""The list of a batch's items: its address for the items that a number or a column counts, and its title."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.http import urlencode

from batches.addresses import address
from batches.models import Batch


def items_url(batch: Batch, *, failed: bool = False, **filters: str) -> str:
    """The address of the batch's items, those that failed, or those that meet the filters of the list."""
    query = {"batch__id__exact": batch.pk} | ({"failed_at__isnull": "False"} if failed else {}) | filters
    return f"{address('admin:batches_item_changelist')}?{urlencode(query)}"


def items_between(batch: Batch, first: int, last: int, *, failed: bool = False) -> str:
    """The address of the items from one position to another, both included."""
    return items_url(batch, failed=failed, position__gte=str(first), position__lte=str(last))


def items_title(query: Mapping[str, str]) -> str:
    """Which items a list shows, of those that the map and the numbers of a page lead to."""
    batch = Batch.objects.filter(pk=query.get("batch__id__exact", "").replace("\x00", "")).first()
    if batch is None:
        return "Items"
    ends = [query.get(name, "") for name in ("position__gte", "position__lte")]
    first, last = (int(end) if end.isdecimal() and len(end) < 12 else None for end in ends)
    single = first is not None and first == last
    waiting = query.get("available_at__isnull") == "False"
    kind = "Failed item" if query.get("failed_at__isnull") == "False" else "Waiting item" if waiting else "Item"
    what = kind + ("" if single else "s")
    where = f" {first:,}" if single else f" {first:,} to {last:,}" if first is not None and last is not None else ""
    return f"{what}{where} of {batch}"
