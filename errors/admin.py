"""The triage desk inside the admin: its lists, and the addresses of its pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.text import Truncator

from batches.admin import CappedPaginator, LongListAdmin, ReadOnly, batches_with_key, counted_rows, forms_of_key
from batches.models import Batch, Item
from batches.templatetags.moments import moment
from errors.desk.views import advice, bulk, desk, exports, fixes, group, quarantine, retries
from errors.desk.views.access import leading_to_batch
from errors.models import BatchGroup, ErrorGroup, ErrorRecord

ROUTES = (
    *desk.ROUTES,
    *exports.ROUTES,
    *fixes.ROUTES,
    *advice.ROUTES,
    *retries.ROUTES,
    *quarantine.ROUTES,
    *bulk.ROUTES,
    *group.ROUTES,
)
"""The first that matches answers: a group's own pages stand before those of its verbs."""


@admin.register(ErrorGroup)
class ErrorGroupAdmin(LongListAdmin):
    """Groups as a list, and the desk."""

    list_display = ("shown_title", "state", "category", "code", "processor", "assignee", "first_seen", "last_seen")
    list_filter = ("state", "category", "processor")
    list_select_related = ("assignee",)
    search_fields = ("title", "fingerprint")

    @admin.display(description="What failed", ordering="title")
    def shown_title(self, group: ErrorGroup) -> str:
        return Truncator(str(group)).chars(160)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Its page in the batch where it was seen last; a group that was merged is part of another."""
        group = seen_by(self, request, object_id)
        whole = BatchGroup.objects.exclude(batch__status__in=Batch.REMOVED)
        latest = whole.filter(group__in=(group.pk, group.merged_into_id)).order_by("-last_seen")
        if (rollup := latest.select_related("group").first()) is None:
            return super().change_view(request, object_id, form_url, extra_context)
        return redirect("admin:errors_group", rollup.batch_id, rollup.group.fingerprint)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            *(path(route, wrap(leading_to_batch(view)), name=name) for route, view, name in ROUTES),
            *super().get_urls(),
        ]


class KindFilter(admin.AllValuesFieldListFilter):
    """By a column that groups have, too: of these there are few, while every record would be read for its values.

    A processor that groups its failures itself may give other codes to records of a group: an address can name these.
    """

    GROUPS_LISTED = 1_000

    def __init__(self, field: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, *args, **kwargs)
        kinds = ErrorGroup.objects.order_by().values_list(field.name, flat=True).distinct()
        self.lookup_choices = sorted(kinds[: self.GROUPS_LISTED])  # type: ignore[assignment]


@admin.register(ErrorRecord)
class ErrorRecordAdmin(LongListAdmin):
    list_display = ("item_key", "batch", "attempt", "code", "category", "message", "failed")
    list_filter = (("category", KindFilter), ("code", KindFilter), "final")
    search_fields = ("=item_key",)
    linked_lookups = ("batch__id__exact", "group__fingerprint")
    list_select_related = ("batch", "group")
    list_per_page = 50

    @admin.display(description="Finished at", ordering="finished_at")
    def failed(self, record: ErrorRecord) -> str:
        return moment(record.finished_at)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ErrorRecord], search_term: str
    ) -> tuple[QuerySet[ErrorRecord], bool]:
        key = search_term.strip()
        return (queryset.filter(of_key(request, key)) if key else queryset), False

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Any:
        return CappedPaginator(queryset, per_page, counted_rows(request, per_page))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """It is a sample of its group."""
        record = seen_by(self, request, object_id)
        page = reverse("admin:errors_group", args=[record.batch_id, record.group.fingerprint])
        return redirect(f"{page}?sample={record.pk}")


def of_key(request: HttpRequest, key: str) -> Q:
    """On records: that their item has the key, or that they are of none, in a batch without items, and have it."""
    forms, ad_hoc = forms_of_key(key), Batch.objects.filter(processor="").order_by()
    items = Item.objects.filter(batch__in=batches_with_key(request, key), key__in=forms).order_by()
    without_item = {"batch__in": list(ad_hoc.values_list("pk", flat=True)), "item_key__in": forms}
    return Q(item__in=list(items.values_list("pk", flat=True))) | Q(item__isnull=True, **without_item)


def seen_by(page: ReadOnly, request: HttpRequest, object_id: str) -> Any:
    """The row, for a person who may look at it."""
    row = page.get_object(request, object_id)
    if row is None:
        raise Http404(f"There is no {page.opts.verbose_name} {object_id}.")
    if not page.has_view_permission(request, row):
        raise PermissionDenied
    return row
