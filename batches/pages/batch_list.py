"""The batch list: its tabs, and a row for each batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from batches.lifecycle import attention
from batches.models import Batch
from batches.pages.batch_row import BatchRow, batch_rows
from batches.pages.tabs import Tab
from batches.progress_tracker import progress_of
from batches.rights import OPERATE

Status = Batch.Status
WAITS_FOR_A_PERSON = Q(Q(status=Status.PENDING, start_at=None) | Q(status=Status.PAUSED), processor__gt="")
WORKING_LOOKED_AT = 200
"""Batches that workers have, of which it is looked at whether they stand still: those that began last."""
TABS = (("attention", "Needs attention"), ("active", "Active"), ("", "All"), ("archived", "Archived"))


@dataclass(frozen=True, slots=True)
class BatchListPage:
    rows: Sequence[BatchRow]
    may_operate: bool
    tabs: Sequence[Tab]
    forms: SafeString
    """What the buttons of all rows send."""
    final_statuses: str


class AttentionFilter(admin.SimpleListFilter):
    """The list's tabs."""

    title = "what to do"
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [tab for tab in TABS if tab[0]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        """Who looks for a batch or a status finds archived ones, too."""
        looks_for_some = "q" in request.GET or any(name.startswith("status") for name in request.GET)
        name = self.value() or ""
        return queryset if not name and looks_for_some else queryset.filter(tab_condition(name, request))


def tab_condition(name: str, request: HttpRequest) -> Q:
    """Badge and list share this one condition, which is looked up once a request."""
    if name == "attention":
        return attention_of(request)
    if name == "active":
        return Q(status__in=Batch.ACTIVE)
    archived = Q(status__in=(Status.ARCHIVED, Status.ARCHIVING))
    return archived if name == "archived" else ~archived


def attention_of(request: HttpRequest) -> Q:
    """`needs_attention()`, as it was when the request first came to it."""
    if "needs_attention" not in request.__dict__:
        request.__dict__["needs_attention"] = needs_attention()
    condition: Q = request.__dict__["needs_attention"]
    return condition


def needs_attention() -> Q:
    """Halted, stuck, failed, waiting for a person, or over with something left to do."""
    waits = WAITS_FOR_A_PERSON | attention.has_held_retry()
    return attention.STOPPED | waits | Q(pk__in=stuck_batches()) | attention.left_to_do()


def stuck_batches() -> list[str]:
    working = list(Batch.objects.filter(status__in=Batch.WORKING).order_by("-running_since")[:WORKING_LOOKED_AT])
    return [pk for pk, progress in progress_of(working).items() if progress.stuck] if working else []


def tab_counts(request: HttpRequest) -> dict[str, int]:
    """How many batches each tab has, by its name, counted in one statement, once a request."""
    if "tab_counts" not in request.__dict__:
        conditions = {name: tab_condition(name, request) for name, _ in TABS}
        counts = {f"tab_{name}": Count("pk", filter=condition) for name, condition in conditions.items()}
        counted = Batch.objects.aggregate(**counts)
        request.__dict__["tab_counts"] = {name.removeprefix("tab_"): n for name, n in counted.items()}
    counted_before: dict[str, int] = request.__dict__["tab_counts"]
    return counted_before


def whole_tab(request: HttpRequest) -> int | None:
    """How many batches the list has, where it is a whole tab; None where it is searched or filtered."""
    return tab_counts(request).get(request.GET.get("show", "")) if request.GET.keys() <= {"show", "p", "o"} else None


def batch_list_page(batches: Sequence[Batch], request: HttpRequest, *, has_actions: bool) -> BatchListPage:
    may_operate = request.user.has_perm(OPERATE)  # type: ignore[union-attr]
    current, counts = request.GET.get("show", ""), tab_counts(request)
    rows = batch_rows(
        batches, progress_of(batches), may_operate=may_operate, has_checkboxes=may_operate and has_actions
    )
    return BatchListPage(
        rows=rows,
        may_operate=may_operate,
        tabs=[Tab(label, f"?show={name}" if name else "?", name == current, counts[name]) for name, label in TABS],
        forms=format_html_join("", "{}", ((row.forms(csrf_field(request)),) for row in rows if row.verbs)),
        final_statuses=" ".join(Batch.FINAL),
    )


def csrf_field(request: HttpRequest) -> SafeString:
    return format_html('<input type="hidden" name="csrfmiddlewaretoken" value="{}">', get_token(request))
