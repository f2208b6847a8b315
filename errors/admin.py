"""Error groups and records, to look at."""

from __future__ import annotations

from django.contrib import admin

from batches.admin import ReadOnly
from errors.models import ErrorGroup, ErrorRecord


@admin.register(ErrorGroup)
class ErrorGroupAdmin(ReadOnly):
    list_display = ("title", "category", "code", "processor", "first_seen", "last_seen")
    list_filter = ("category", "processor")
    search_fields = ("title", "fingerprint")


@admin.register(ErrorRecord)
class ErrorRecordAdmin(ReadOnly):
    list_display = ("item_key", "batch", "attempt", "code", "category", "message", "finished_at")
    list_filter = ("category", "code", "final")
    search_fields = ("=item_key",)
    list_select_related = ("batch", "group")
    show_full_result_count = False
