"""The item list at any size: pages by position, kept counts or those up to a bound, orders that have an index."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.core.paginator import Page
from django.db.models import QuerySet
from django.http import HttpRequest

from batches.admin import item_windows, long_lists
from batches.admin.key_search import OF_BATCH, counted_rows
from batches.admin.long_lists import CappedPaginator, LongList
from batches.lanes import batch_rows
from batches.lanes.lane_counts import COUNTERS, batches_with, counters_of, items_by_status, items_to_go
from batches.models import Batch, Item

OFFSET_ROWS = 1_000
"""From here on the position of a page's first item is looked up in the index, before any item is read."""
IN_ORDER = ("batch_id", "position")
INDEXED_COLUMNS = ("position", "key")
SHOWN_OTHERWISE = {PAGE_VAR, ORDER_VAR, ALL_VAR, ERROR_FLAG, OF_BATCH}
"""Parameters of an address that do not narrow the items of a batch."""


class ItemPaginator(CappedPaginator):
    """`kept_count` is what the batch's lanes have counted, None where they count other items than the list holds;
    `status` the one by which items are narrowed, where that is all, and no index has just these."""

    def __init__(
        self, items: QuerySet[Item], per_page: int, kept_count: int | None, limit: int, batch_id: str, status: str
    ) -> None:
        super().__init__(items, per_page, limit)
        self.items, self.kept_count, self.batch_id, self.status = items, kept_count, batch_id, status

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
        if self.status and tuple(self.items.query.order_by) == IN_ORDER:
            return Page(self.items.filter(**self.places(first)), number, self)
        if first < OFFSET_ROWS or not self.batch_id or tuple(self.items.query.order_by) != IN_ORDER:
            return super().page(number)
        place = self.items.order_by("position").values("position")[first : first + 1]
        return Page(self.items.filter(position__gte=place)[: self.per_page], number, self)

    def places(self, skip: int) -> dict[str, list[int]]:
        """Where a page's items stand, behind `skip` others of the status."""
        if not self.batch_id:
            return {"pk__in": item_windows.ids_of_page(self.status, skip, self.per_page)}
        return {"position__in": item_windows.positions_of_page(self.batch_id, self.status, skip, self.per_page)}


class ItemChangeList(LongList):
    """Knows from the lanes how many items there are, where these count them."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Item]:
        """Of a status that no item of the batch has: none, without a look at all of them."""
        items: QuerySet[Item] = super().get_queryset(request, exclude_parameters)
        return items.none() if "status__exact" in request.GET and kept_count_of(request) == 0 else items

    def get_results(self, request: HttpRequest) -> None:
        """A list of one page is taken from the paginator, too, which knows where its items are."""
        super().get_results(request)
        if not self.multi_page and self.result_count:
            self.result_list = self.paginator.page(1).object_list

    def indexed_columns(self, request: HttpRequest) -> tuple[str, ...]:
        return INDEXED_COLUMNS if request.GET.get(OF_BATCH) else ()

    def is_long(self, request: HttpRequest, rows: QuerySet[Item]) -> bool:
        """Items of a status without an index are found by reading all of the batch, or of all batches."""
        if outcome_of_all_batches(request):
            return True
        kept_count = kept_count_of(request)
        if status_without_index(request):
            kept_count = batch_rows.ends_of(request.GET[OF_BATCH])[0] + 1
        return super().is_long(request, rows) if kept_count is None else kept_count > long_lists.SORTED_ROWS


def item_paginator(request: HttpRequest, items: QuerySet[Item], per_page: int) -> ItemPaginator:
    """For the list that the request asks for."""
    batch_id = request.GET.get(OF_BATCH, "")
    status = status_without_index(request) if batch_id else outcome_of_all_batches(request)
    return ItemPaginator(items, per_page, kept_count_of(request), counted_rows(request, per_page), batch_id, status)


def status_without_index(request: HttpRequest) -> str:
    """The status by which the items of one batch are narrowed, where that is all, and no index has just these."""
    status = only_status(request) if request.GET.get(OF_BATCH) else ""
    return status if status in Item.Status.values and status not in Item.MARKS else ""


def outcome_of_all_batches(request: HttpRequest) -> str:
    """The outcome by which the items of all batches are narrowed, where that is all: few of very many may have it.
    Failed ones have an index in their order."""
    status = "" if request.GET.get(OF_BATCH) else only_status(request)
    return status if status.lower() in COUNTERS and status != Item.Status.FAILED else ""


def only_status(request: HttpRequest) -> str:
    """The status by which a list is narrowed, where that is all; empty otherwise."""
    narrowed = narrowed_by(request)
    return narrowed["status__exact"] if list(narrowed) == ["status__exact"] else ""


def narrowed_by(request: HttpRequest) -> dict[str, str]:
    """The parameters that narrow the items of the list's batch, or of all."""
    return {name: str(value) for name, value in request.GET.items() if name not in SHOWN_OTHERWISE}


def kept_count_of(request: HttpRequest) -> int | None:
    """How many items a list holds by the batch's own counters, as it was when the request first came to it; None unless
    they count just these."""
    if "kept_count" not in request.__dict__:
        request.__dict__["kept_count"] = kept_count(request)
    count: int | None = request.__dict__["kept_count"]
    return count


def kept_count(request: HttpRequest) -> int | None:
    if outcome := outcome_of_all_batches(request):
        return sum(n for _, n in batches_with(outcome))
    batch = Batch.objects.filter(pk=request.GET.get(OF_BATCH, "").replace("\x00", "")).first()
    if batch is None or batch.is_ad_hoc or batch.status in Batch.REMOVED:
        return None
    narrowed = narrowed_by(request)
    if not narrowed:
        return batch.total_items
    if narrowed == {"failed_at__isnull": "False"}:
        counters = counters_of(batch.pk)
        return counters["failed"] + counters["quarantined"]
    if list(narrowed) != ["status__exact"]:
        return None
    status = narrowed["status__exact"]
    if status not in Item.Status.values:
        return 0
    by_status = items_by_status(batch)
    return by_status[status] if status in by_status else items_to_go(batch)[status]
