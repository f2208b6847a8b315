"""A batch's items: the list behind every number, the page of one, and retrying those that were selected."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from batches import unfinished
from batches.admin.access import OperatedAdmin
from batches.admin.acts import act
from batches.admin.item_paging import IN_ORDER, ItemChangeList, item_paginator
from batches.admin.key_search import OF_BATCH, items_of_key
from batches.admin.long_lists import LongListAdmin
from batches.extensions import registered
from batches.models import Batch, Item
from batches.pages.context import context_of
from batches.pages.item_list import items_title
from batches.pages.item_page import item_page
from batches.pages.item_rows import item_table, message_start, status_pill

LARGEST_SELECTION = 10_000  # items


class CodeFilter(admin.SimpleListFilter):
    """By error code: those that failed items of the batch have now, found by the index of failed items."""

    title = "code"
    parameter_name = "code"
    ITEMS_READ = 2_000
    """Failed items that are looked at for codes to offer; any other code can be asked for by its name."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        failed = Item.objects.filter(failed_at__isnull=False)
        if batch := request.GET.get(OF_BATCH):
            failed = failed.filter(batch=batch.replace("\x00", ""))
        codes = set(failed.order_by("batch_id", "position").values_list("code", flat=True)[: self.ITEMS_READ])
        codes |= {chosen} if (chosen := self.value()) else set()
        return [(code, code) for code in sorted(codes)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Item]) -> QuerySet[Item]:
        return queryset.filter(failed_at__isnull=False, code=self.value()) if self.value() else queryset


class StatusFilter(admin.ChoicesFieldListFilter):
    """By status; failed items, and those that run, are found by indexes of their own."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Item]) -> Any:
        items: Any = super().queryset(request, queryset)
        status = request.GET.get("status__exact")
        return items.filter(Item.of_statuses(status)) if status in Item.Status.values else items


@admin.register(Item)
class ItemAdmin(OperatedAdmin, LongListAdmin):
    list_display = ("position", "key", "batch", "shown_status", "attempts", "code", "shown_message", "finished_at")
    list_display_links = ("key",)
    list_filter = (("status", StatusFilter), CodeFilter)
    search_fields = ("key",)
    linked_lookups = (
        *("batch__id__exact", "failed_at__isnull", "available_at__isnull", "position__gte", "position__lte"),
    )
    ordering = IN_ORDER
    list_select_related = ("batch",)
    list_per_page = 100
    actions = ("retry_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Item]:
        return unfinished.seen(super().get_queryset(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ItemChangeList]:
        return ItemChangeList

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Any:
        return item_paginator(request, queryset, per_page)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Item], search_term: str
    ) -> tuple[QuerySet[Item], bool]:
        key = search_term.strip()
        return (items_of_key(request, queryset, key) if key else queryset), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": items_title(request.GET), **(extra_context or {})})

    def table_of(self, rows: Any) -> dict[str, Any]:
        return item_table(rows)

    @admin.action(description="Retry…", permissions=["operate"])
    def retry_selected(self, request: HttpRequest, items: QuerySet[Item]) -> HttpResponse | None:
        """To the page that says what a retry of these failed items of one batch would do; without one, retry them."""
        failed = items.filter(failed_at__isnull=False).order_by("pk").values_list("batch", "pk")
        chosen = list(failed[: LARGEST_SELECTION + 1])
        if refusal := refused_selection(len({batch_id for batch_id, _ in chosen}), len(chosen)):
            messages.warning(request, refusal)
            return None
        batch, item_ids = Batch.objects.get(pk=chosen[0][0]), [pk for _, pk in chosen]
        for extension in registered():
            if extension.confirm_retry is not None:
                return extension.confirm_retry(request, batch, item_ids)
        keys = Item.objects.filter(pk__in=item_ids).order_by("position").values_list("key", flat=True)
        act("retry", batch.pk, request, item_keys=list(keys))
        return None

    @admin.display(description="Status", ordering="status")
    def shown_status(self, item: Item) -> str:
        return status_pill(item.status)

    @admin.display(description="Message")
    def shown_message(self, item: Item) -> str:
        return message_start(item)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        item: Item | None = self.get_object(request, object_id)
        if item is None:
            raise Http404(f"There is no item {object_id}.")
        if not self.has_view_permission(request, item):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"Item {item.key}"}
        page = context_of(item_page(item, request))
        return TemplateResponse(request, "admin/batches/item/item.html", context | page)


def refused_selection(batches: int, items: int) -> str:
    """Why so many items of so many batches cannot be retried together; empty if they can."""
    if not batches:
        return "None of the selected items is failed: there is nothing to retry."
    if batches > 1:
        return "They are of different batches: retry those of one batch at a time."
    if items > LARGEST_SELECTION:
        return f"More than {LARGEST_SELECTION:,} items: retry all that failed, from the batch's page."
    return ""
