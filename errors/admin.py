"""The triage desk inside the admin: its lists, and the addresses of its pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path

from batches import item_page
from batches.admin import ReadOnly
from errors.item_failures import failures
from errors.models import ErrorGroup, ErrorRecord
from errors.pages import acts, asides, bulk, desk, exports, fixes, group, retries

PAGES = (
    *desk.PAGES,
    *exports.PAGES,
    *fixes.PAGES,
    *acts.PAGES,
    *retries.PAGES,
    *asides.PAGES,
    *bulk.PAGES,
    *group.PAGES,
)
"""The first that matches answers: a group's own pages stand before those of its verbs."""
item_page.FAILURES.append(failures)


@admin.register(ErrorGroup)
class ErrorGroupAdmin(ReadOnly):
    """Groups as a list, and the desk."""

    list_display = ("title", "category", "code", "processor", "first_seen", "last_seen")
    list_filter = ("state", "category", "processor")
    search_fields = ("title", "fingerprint")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [*(path(route, wrap(view), name=name) for route, view, name in PAGES), *super().get_urls()]


@admin.register(ErrorRecord)
class ErrorRecordAdmin(ReadOnly):
    list_display = ("item_key", "batch", "attempt", "code", "category", "message", "finished_at")
    list_filter = ("category", "code", "final")
    search_fields = ("=item_key",)
    list_select_related = ("batch", "group")
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup in ("batch__id__exact", "group__fingerprint") or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]
