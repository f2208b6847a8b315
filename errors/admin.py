"""The triage desk inside the admin: pages that look things up in `errors.desk`, and doors to the operations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from batches.admin import ReadOnly
from batches.models import Batch
from batches.rights import OPERATE, TRIAGE, VIEW
from errors import desk, scopes
from errors.models import BatchGroup, ErrorGroup, ErrorRecord


@admin.register(ErrorGroup)
class ErrorGroupAdmin(ReadOnly):
    """Groups as a list, and the desk."""

    list_display = ("title", "category", "code", "processor", "first_seen", "last_seen")
    list_filter = ("state", "category", "processor")
    search_fields = ("title", "fingerprint")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("desk/", wrap(self.overview), name="errors_overview"),
            path("desk/<str:batch_id>/", wrap(self.desk), name="errors_desk"),
            path("desk/<str:batch_id>/group/<str:fingerprint>/", wrap(self.group), name="errors_group"),
            *super().get_urls(),
        ]

    def overview(self, request: HttpRequest) -> HttpResponse:
        """What needs attention now, over all batches."""
        self.must_view(request)
        return self.render(request, "overview.html", desk.overview(), title="Triage")

    def desk(self, request: HttpRequest, batch_id: str) -> HttpResponse:
        """One batch's desk."""
        batch = self.batch(request, batch_id)
        context = desk.desk_of(batch, desk.GroupFilter.of(request.GET))
        return self.render(request, "desk.html", context, title=f"Triage: {batch}")

    def group(self, request: HttpRequest, batch_id: str, fingerprint: str) -> HttpResponse:
        """One group within one batch."""
        batch = self.batch(request, batch_id)
        rollup = get_object_or_404(BatchGroup, batch=batch, group=scopes.group_in(batch, fingerprint))
        after = request.GET.get("after", "0")
        context = desk.group_page(batch, rollup.group, int(after) if after.isdecimal() and len(after) < 19 else 0)
        return self.render(request, "group.html", context, title=rollup.group.title or rollup.group.error_type)

    def must_view(self, request: HttpRequest) -> None:
        if not request.user.has_perm(VIEW):  # type: ignore[union-attr]
            raise PermissionDenied

    def batch(self, request: HttpRequest, batch_id: str) -> Batch:
        self.must_view(request)
        batch = Batch.objects.filter(pk=batch_id).first() if "\x00" not in batch_id else None
        if batch is None:
            raise Http404(f"There is no batch {batch_id}.")
        return batch

    def render(self, request: HttpRequest, template: str, context: dict[str, Any], *, title: str) -> TemplateResponse:
        may = {
            "may_operate": request.user.has_perm(OPERATE),  # type: ignore[union-attr]
            "may_triage": request.user.has_perm(TRIAGE),  # type: ignore[union-attr]
        }
        whole = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **may, **context}
        return TemplateResponse(request, f"admin/errors/{template}", whole)


@admin.register(ErrorRecord)
class ErrorRecordAdmin(ReadOnly):
    list_display = ("item_key", "batch", "attempt", "code", "category", "message", "finished_at")
    list_filter = ("category", "code", "final")
    search_fields = ("=item_key",)
    list_select_related = ("batch", "group")
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in ("batch__id__exact", "group__fingerprint") or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]
