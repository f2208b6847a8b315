"""Lists of Django's admin that may be narrowed by their own filters only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

FILTER_LOOKUPS = ("", "__exact", "__isnull", "__isempty", "__gte", "__lt", "__id__exact")
"""What Django's filters of a field append to its name."""
DRILL_DOWN_LOOKUPS = ("__year", "__month", "__day", "__gte", "__lt")


class RowList(ChangeList):
    """Speaks of results, and offers all rows, only where something was searched or filtered: rows are counted once, so
    Django cannot tell by their number."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.get_filters_params():
            self.full_result_count = self.result_count


class ClosedLookups(admin.ModelAdmin):
    """A list that is narrowed by its own filters and its `linked_lookups`, and by nothing else.

    Django lets an address ask any question about a model's own columns, also about what is masked in them.
    """

    linked_lookups: tuple[str, ...] = ()
    """By what other pages lead to the list."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RowList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        allowed = lookup in self.linked_lookups or lookup in lookups_of_filters(self, request)
        return allowed and "\x00" not in str(value)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """No row has a NUL in its identity, and PostgreSQL takes none in a question."""
        return None if "\x00" in object_id else super().get_object(request, object_id, from_field)


def lookups_of_filters(page: ModelAdmin[Any], request: HttpRequest | None) -> Iterator[str]:
    """The names that the list's own filters give to their choices in an address."""
    list_filter = page.get_list_filter(request) if request is not None else page.list_filter
    for choice in list_filter:
        if isinstance(choice, type) and issubclass(choice, admin.SimpleListFilter):
            yield str(choice.parameter_name)
        else:
            field = choice[0] if isinstance(choice, (list, tuple)) else choice
            yield from (f"{field}{lookup}" for lookup in FILTER_LOOKUPS)
    if page.date_hierarchy:
        yield from (f"{page.date_hierarchy}{lookup}" for lookup in DRILL_DOWN_LOOKUPS)
