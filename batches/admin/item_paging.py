"""The item list at any size: pages by position, kept counts or those up to a bound, orders that have an index."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from batches.closed_lookups import RowList
from batches.lanes.lane_counts import counters_of, items_by_status
from batches.models import Batch, Item

COUNTED_ROWS = 10_000
"""Items that are counted for a list where no lane has; beyond them it says "10,000+"."""
PAGES_AHEAD = 10
"""Who pages beyond that can always go so many pages further, if there are."""
SORTED_ROWS = 20_000
"""A list of up to so many items can be sorted by any column; a longer one only by those that have an index."""
OFFSET_ROWS = 1_000
"""From here on the position of a page's first item is looked up in the index, before any item is read."""
IN_ORDER = ("batch_id", "position")
INDEXED_COLUMNS = ("position", "key")
OF_BATCH = "batch__id__exact"
SHOWN_OTHERWISE = {PAGE_VAR, ORDER_VAR, ALL_VAR, ERROR_FLAG, OF_BATCH}
"""Parameters of an address that do not narrow the items of a batch."""


class ItemPaginator(Paginator):
    """`kept_count` is what the batch's lanes have counted, None where they count other items than the list holds."""

    def __init__(self, items: QuerySet[Item], per_page: int, kept_count: int | None, limit: int, batch_id: str) -> None:
        super().__init__(items, per_page)
        self.items, self.kept_count, self.limit, self.batch_id = items, kept_count, limit, batch_id

    @cached_property
    def count(self) -> int:
        return counted_up_to(self.items, self.limit) if self.kept_count is None else self.kept_count

    @property
    def count_text(self) -> str:
        """The count where it goes on beyond what was counted; empty otherwise."""
        return f"{self.limit:,}+" if self.kept_count is None and self.count > self.limit else ""

    def page(self, number: int | str) -> Page:
        """A page far into a batch begins at a position, found in the index alone."""
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        if first < OFFSET_ROWS or not self.batch_id or tuple(self.items.query.order_by) != IN_ORDER:
            return super().page(number)
        place = self.items.order_by("position").values("position")[first : first + 1]
        return Page(self.items.filter(position__gte=place)[: self.per_page], number, self)


class ItemChangeList(RowList):
    """Is sorted as asked for where that can be done without reading every item of a large batch."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Item]:
        """Of a status that no item of the batch has: none, without a look at all of them."""
        items: QuerySet[Item] = super().get_queryset(request, exclude_parameters)
        return items.none() if "status__exact" in request.GET and kept_count_of(request) == 0 else items

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Item]) -> list[Any]:
        by_column = column_sorted_by(self)
        indexed = INDEXED_COLUMNS if request.GET.get(OF_BATCH) else ()
        if ORDER_VAR in self.params and by_column not in indexed and is_long(request, queryset):
            self.params.pop(ORDER_VAR)
            self.sortable_by = indexed
        return super().get_ordering(request, queryset.order_by())


def is_long(request: HttpRequest, items: QuerySet[Item]) -> bool:
    """Whether the list is too long to be sorted by a column without an index."""
    kept_count = kept_count_of(request)
    return (counted_up_to(items, SORTED_ROWS) if kept_count is None else kept_count) > SORTED_ROWS


def column_sorted_by(items: ItemChangeList) -> str:
    """The one column by which an address sorts; empty for none and for several."""
    chosen = items.params.get(ORDER_VAR, "").lstrip("-")
    columns = list(items.list_display)
    return str(columns[int(chosen)]) if chosen.isdecimal() and int(chosen[:3]) < len(columns) else ""


def item_paginator(request: HttpRequest, items: QuerySet[Item], per_page: int) -> ItemPaginator:
    """For the list that the request asks for."""
    page = request.GET.get(PAGE_VAR, "")
    ahead = (int(page) + PAGES_AHEAD) * per_page if page.isdecimal() and len(page) < 8 else 0
    kept_count, batch_id = kept_count_of(request), request.GET.get(OF_BATCH, "")
    return ItemPaginator(items, per_page, kept_count, max(COUNTED_ROWS, ahead), batch_id)


def kept_count_of(request: HttpRequest) -> int | None:
    """How many items a list holds by the batch's own counters, as it was when the request first came to it; None unless
    they count just these."""
    if "kept_count" not in request.__dict__:
        request.__dict__["kept_count"] = kept_count(request)
    count: int | None = request.__dict__["kept_count"]
    return count


def kept_count(request: HttpRequest) -> int | None:
    batch = Batch.objects.filter(pk=request.GET.get(OF_BATCH, "").replace("\x00", "")).first()
    if batch is None or batch.is_ad_hoc or batch.status in Batch.REMOVED:
        return None
    narrowed = {name: str(value) for name, value in request.GET.items() if name not in SHOWN_OTHERWISE}
    if not narrowed:
        return batch.total_items
    if narrowed == {"failed_at__isnull": "False"}:
        counters = counters_of(batch.pk)
        return counters["failed"] + counters["quarantined"]
    if list(narrowed) != ["status__exact"]:
        return None
    status = narrowed["status__exact"]
    return items_by_status(batch).get(status) if status in Item.Status.values else 0


def counted_up_to(items: QuerySet[Item], limit: int) -> int:
    """How many there are; `limit` + 1 for more than `limit`."""
    return items.order_by()[: limit + 1].count()
