"""The page "Retention" and its rules, and the record of batches that were deleted or archived."""

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
from batches.admin.access import AdminsOnly
from batches.admin.long_lists import LongListAdmin
from batches.models import Removal, RetentionRule
from batches.moments import moment
from batches.pages.context import context_of
from batches.pages.retention_page import retention_page
from batches.rights import VIEW
from batches.wording import quantity


@admin.register(RetentionRule)
class RetentionRuleAdmin(AdminsOnly):
    """Rules are seen and changed by admins; each change is in the admin's log."""

    fields = ("action", "after_days", "outcome", "processor", "active")
    actions = None

    def get_urls(self) -> list[URLPattern]:
        return [
            path("run/", self.admin_site.admin_view(self.run), name="batches_retentionrule_run"),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, obj: RetentionRule, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user.get_username()[:150]
        super().save_model(request, obj, form, change)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.GET:
            raise DisallowedModelAdminLookup("The page of retention has no filters.")
        context = {**self.admin_site.each_context(request), "title": "Retention", "opts": self.opts}
        return TemplateResponse(request, "admin/batches/retention.html", context | context_of(retention_page()))

    def run(self, request: HttpRequest) -> HttpResponse:
        """POST applies the rules now."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            done = operations.run_retention()
            if done is None:
                messages.warning(request, "A run has begun a moment ago: see below.")
            else:
                messages.success(
                    request,
                    f"{quantity(done.archived, 'batch is', 'batches are')} being archived, {done.deleted:,} deleted.",
                )
        return redirect("admin:batches_retentionrule_changelist")


@admin.register(Removal)
class RemovalAdmin(LongListAdmin):
    """Who may see batches sees which are gone, by whom and why."""

    fields = (
        *("batch_id", "name", "processor", "kind", "state", "status_before", "items", "removed_items", "removed_rows"),
        *("actor", "reason", "rule", "note", "submitted_by", "submitted", "began", "ended"),
    )
    readonly_fields = fields
    list_display = ("batch_id", "kind", "state", "items", "actor", "reason", "began", "ended")
    list_filter = ("kind", "state", "processor")
    search_fields = ("batch_id", "name")
    list_per_page = 100

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(VIEW))  # type: ignore[union-attr]

    has_module_permission = has_view_permission

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Deleted and archived batches", **(extra_context or {})})

    @admin.display(description="Submitted")
    def submitted(self, row: Removal) -> str:
        return moment(row.submitted_at)

    @admin.display(description="Began", ordering="began_at")
    def began(self, row: Removal) -> str:
        return moment(row.began_at)

    @admin.display(description="Done", ordering="finished_at")
    def ended(self, row: Removal) -> str:
        return moment(row.finished_at) if row.finished_at else "–"
