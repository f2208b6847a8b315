"""The page "Workers"."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from batches import operations
from batches.admin.access import ReadOnly
from batches.exceptions import BatchError
from batches.lanes import global_pause
from batches.models import Worker
from batches.pages.context import context_of
from batches.pages.pause_page import pause_page
from batches.pages.workers_page import workers_page
from batches.rights import PAUSE_EVERYTHING, VIEW


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
        acts = {"may_pause_everything": may_pause_everything(request), "paused": global_pause.is_on()}
        return self.render(request, "workers.html", context_of(workers_page()) | acts, title="Workers")

    def get_urls(self) -> list[URLPattern]:
        pause = path("pause/", self.admin_site.admin_view(self.pause_view), name="batches_worker_pause")
        return [pause, *super().get_urls()]

    def pause_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks whether to pause everything, or to lift that; POST does it."""
        if not (self.has_view_permission(request) and may_pause_everything(request)):
            raise PermissionDenied
        if request.method == "POST":
            return self.pause_or_lift(request)
        title = "Lift the pause of everything?" if global_pause.is_on() else "Pause everything?"
        return self.render(request, "pause.html", context_of(pause_page()), title=title)

    def pause_or_lift(self, request: HttpRequest) -> HttpResponse:
        """What the page offered that the person saw: it may be another's act by now."""
        actor, reason = request.user.get_username(), request.POST.get("reason", "")
        try:
            if request.POST.get("act") == "lift":
                operations.lift(actor=actor, reason=reason)
                messages.success(request, "The pause of everything is lifted: batches go on as they were.")
            else:
                operations.pause_everything(actor=actor, reason=reason)
                messages.success(request, "Everything is paused: workers finish the chunk in hand, nothing after it.")
        except BatchError as error:
            messages.warning(request, str(error))
        return redirect("admin:batches_worker_changelist")

    def render(self, request: HttpRequest, template: str, page: dict[str, Any], *, title: str) -> TemplateResponse:
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
        return TemplateResponse(request, f"admin/batches/{template}", context | page)


def may_pause_everything(request: HttpRequest) -> bool:
    return bool(request.user.has_perm(PAUSE_EVERYTHING))  # type: ignore[union-attr]
