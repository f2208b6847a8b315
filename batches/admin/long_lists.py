"""Lists of tables that grow with every run: rows are counted up to a bound, and sorted where few are left."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from batches.admin.access import ReadOnly
from batches.closed_lookups import RowList

COUNTED_ROWS = 10_000
"""Rows that are counted; beyond them a list says "10,000+"."""
PAGES_AHEAD = 10
"""Who pages beyond that can always go so many pages further, if there are."""
SORTED_ROWS = 20_000
"""A list of up to so many rows can be sorted by any column; a longer one only by those that have an index."""


class CappedPaginator(Paginator):
    """Counts up to `limit` rows, and one more to know whether there are others."""

    def __init__(self, rows: QuerySet[Any], per_page: int, limit: int) -> None:
        super().__init__(rows, per_page)
        self.rows, self.limit = rows, limit

    @cached_property
    def count(self) -> int:
        return counted_up_to(self.rows, self.limit)

    @property
    def count_text(self) -> str:
        """The count where it goes on beyond what was counted; empty otherwise."""
        return f"{self.limit:,}+" if self.count > self.limit else ""


class LongList(RowList):
    """Is sorted as asked for where that can be done without reading every row of a large table."""

    def indexed_columns(self, request: HttpRequest) -> tuple[str, ...]:
        """Columns by which it is sorted at any length."""
        return ()

    def is_long(self, request: HttpRequest, rows: QuerySet[Any]) -> bool:
        """Whether it is too long to be sorted by a column without an index."""
        return counted_up_to(rows, SORTED_ROWS) > SORTED_ROWS

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        indexed = self.indexed_columns(request)
        if ORDER_VAR in self.params and column_sorted_by(self) not in indexed and self.is_long(request, queryset):
            self.params.pop(ORDER_VAR)
            self.sortable_by = indexed
        return super().get_ordering(request, queryset.order_by())


class LongListAdmin(ReadOnly):
    """The admin of such a table."""

    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LongList]:
        return LongList

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Any:
        return CappedPaginator(queryset, per_page, count_limit(request, per_page))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        answer = super().changelist_view(request, extra_context)
        context = answer.context_data if isinstance(answer, TemplateResponse) else None
        if context and "cl" in context:
            context |= self.table_of(context["cl"])
            say_count(context)
        return answer

    def table_of(self, rows: Any) -> dict[str, Any]:
        """What the page's table reads, where an admin draws its rows itself."""
        return {}


def say_count(context: dict[str, Any]) -> None:
    """How many rows there are, or that they are more than were counted, in all places of a list's page."""
    if text := context["cl"].paginator.count_text:
        # Both: the form of the search says how many it found of how many, where they differ, and needs numbers.
        context["cl"].result_count = context["cl"].full_result_count = text
        context["selection_note_all"] = f"All {text} selected"


def count_limit(request: HttpRequest, per_page: int) -> int:
    """Up to how many rows the list is counted that the request asks for."""
    return max(COUNTED_ROWS, rows_ahead(request, per_page))


def rows_ahead(request: HttpRequest, per_page: int) -> int:
    """Up to how many rows a page that the request asks for leads on; 0 for the first."""
    page = request.GET.get(PAGE_VAR, "")
    return (int(page) + PAGES_AHEAD) * per_page if page.isdecimal() and len(page) < 8 else 0


def column_sorted_by(rows: LongList) -> str:
    """The one column by which an address sorts; empty for none and for several."""
    chosen = rows.params.get(ORDER_VAR, "").lstrip("-")
    columns = list(rows.list_display)
    return str(columns[int(chosen)]) if chosen.isdecimal() and int(chosen[:3]) < len(columns) else ""


def counted_up_to(rows: QuerySet[Any], limit: int) -> int:
    """How many there are; `limit` + 1 for more than `limit`."""
    return rows.order_by()[: limit + 1].count()
