"""The page "Workers"."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from batches.admin.access import ReadOnly
from batches.models import Worker
from batches.pages.context import context_of
from batches.pages.workers_page import workers_page
from batches.rights import VIEW


@admin.register(Worker)
class WorkerAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Who may see batches sees who works on them."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(VIEW))  # type: ignore[union-attr]

    has_module_permission = has_view_permission

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.GET:
            raise DisallowedModelAdminLookup("The page of workers has no filters.")
        context = {**self.admin_site.each_context(request), "title": "Workers", "opts": self.opts}
        return TemplateResponse(request, "admin/batches/workers.html", context | context_of(workers_page()))
