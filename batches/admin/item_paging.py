"""The item list at any size: pages by position, kept counts or those up to a bound, orders that have an index."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.core.paginator import Page
from django.db.models import QuerySet
from django.http import HttpRequest

from batches.admin import long_lists
from batches.admin.key_search import OF_BATCH, counted_rows
from batches.admin.long_lists import CappedPaginator, LongList
from batches.lanes.lane_counts import counters_of, items_by_status
from batches.models import Batch, Item

OFFSET_ROWS = 1_000
"""From here on the position of a page's first item is looked up in the index, before any item is read."""
IN_ORDER = ("batch_id", "position")
INDEXED_COLUMNS = ("position", "key")
SHOWN_OTHERWISE = {PAGE_VAR, ORDER_VAR, ALL_VAR, ERROR_FLAG, OF_BATCH}
"""Parameters of an address that do not narrow the items of a batch."""


class ItemPaginator(CappedPaginator):
    """`kept_count` is what the batch's lanes have counted, None where they count other items than the list holds."""

    def __init__(self, items: QuerySet[Item], per_page: int, kept_count: int | None, limit: int, batch_id: str) -> None:
        super().__init__(items, per_page, limit)
        self.items, self.kept_count, self.batch_id = items, kept_count, batch_id

    @cached_property
    def count(self) -> int:
        return super().count if self.kept_count is None else self.kept_count

    @property
    def count_text(self) -> str:
        return super().count_text if self.kept_count is None else ""

    def page(self, number: int | str) -> Page:
        """A page far into a batch begins at a position, found in the index alone."""
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        if first < OFFSET_ROWS or not self.batch_id or tuple(self.items.query.order_by) != IN_ORDER:
            return super().page(number)
        place = self.items.order_by("position").values("position")[first : first + 1]
        return Page(self.items.filter(position__gte=place)[: self.per_page], number, self)


class ItemChangeList(LongList):
    """Knows from the lanes how many items there are, where these count them."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Item]:
        """Of a status that no item of the batch has: none, without a look at all of them."""
        items: QuerySet[Item] = super().get_queryset(request, exclude_parameters)
        return items.none() if "status__exact" in request.GET and kept_count_of(request) == 0 else items

    def indexed_columns(self, request: HttpRequest) -> tuple[str, ...]:
        return INDEXED_COLUMNS if request.GET.get(OF_BATCH) else ()

    def is_long(self, request: HttpRequest, rows: QuerySet[Item]) -> bool:
        kept_count = kept_count_of(request)
        return super().is_long(request, rows) if kept_count is None else kept_count > long_lists.SORTED_ROWS


def item_paginator(request: HttpRequest, items: QuerySet[Item], per_page: int) -> ItemPaginator:
    """For the list that the request asks for."""
    batch_id = request.GET.get(OF_BATCH, "")
    return ItemPaginator(items, per_page, kept_count_of(request), counted_rows(request, per_page), batch_id)


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
