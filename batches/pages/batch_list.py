"""The batch list: its tabs, and a row for each batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from batches import operations
from batches.engine.waiting_reasons import Standing, WaitingReasons
from batches.lifecycle import attention
from batches.models import Batch
from batches.pages.batch_text import eta, speed
from batches.pages.item_list import items_url
from batches.pages.markup import standing_pill
from batches.pages.progress_bar import ProgressBar, progress_bar
from batches.pages.tabs import Tab
from batches.progress_text import removal_sentence, standing_of, waits_because
from batches.progress_tracker import Progress, progress_of
from batches.rights import OPERATE

Status = Batch.Status
WAITS_FOR_A_PERSON = Q(Q(status=Status.PENDING, start_at=None) | Q(status=Status.PAUSED), processor__gt="")
WORKING_LOOKED_AT = 200
"""Batches that workers have, of which it is looked at whether they stand still: those that began last."""
TABS = (("attention", "Needs attention"), ("active", "Active"), ("", "All"), ("archived", "Archived"))
UNCONFIRMED_VERBS = ("start", "pause", "resume")
"""Verbs that need no confirmation, and have a button in the list."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch of the list; `verbs` are those that are legal now for who looks at it."""

    batch: Batch
    progress: Progress
    bar: ProgressBar
    failures: int
    failed_url: str
    standing: Standing
    speed: str
    eta: str
    because: str
    """Why it waits, and behind what; empty of one that does not."""
    verbs: Sequence[str]
    raise_url: str
    """Where a batch that is held by its error budget gets another one; empty for any other."""

    @property
    def pill(self) -> SafeString:
        return standing_pill(self.standing)


@dataclass(frozen=True, slots=True)
class BatchListPage:
    rows: Sequence[BatchRow]
    may_operate: bool
    tabs: Sequence[Tab]
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
        return queryset if not name and looks_for_some else batches_of_tab(queryset, name, request)


def batches_of_tab(batches: QuerySet[Batch], name: str, request: HttpRequest) -> QuerySet[Batch]:
    """Badge and list share this one query, whose conditions are looked up once a request."""
    if name == "attention":
        return batches.filter(attention_of(request))
    if name == "active":
        return batches.filter(status__in=Batch.ACTIVE)
    archived = Q(status__in=(Status.ARCHIVED, Status.ARCHIVING))
    return batches.filter(archived) if name == "archived" else batches.exclude(archived)


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


def batch_list_page(batches: Sequence[Batch], request: HttpRequest) -> BatchListPage:
    progress, reasons = progress_of(batches), WaitingReasons()
    may_operate = request.user.has_perm(OPERATE)  # type: ignore[union-attr]
    current = request.GET.get("show", "")
    return BatchListPage(
        rows=[batch_row(batch, progress[batch.pk], reasons, may_operate) for batch in batches],
        may_operate=may_operate,
        tabs=[
            Tab(
                label,
                f"?show={name}" if name else "?",
                name == current,
                batches_of_tab(Batch.objects.all(), name, request).count(),
            )
            for name, label in TABS
        ],
        final_statuses=" ".join(Batch.FINAL),
    )


def batch_row(batch: Batch, progress: Progress, reasons: WaitingReasons, may_operate: bool) -> BatchRow:
    held = may_operate and bool(operations.holding_reason(batch))
    legal = [verb for verb in UNCONFIRMED_VERBS if operations.status_after(verb, batch) is not None]
    legal = [verb for verb in legal if not (held and verb == "resume")]
    return BatchRow(
        batch=batch,
        progress=progress,
        bar=progress_bar(progress),
        failures=progress.failed + progress.quarantined,
        failed_url=items_url(batch, failed=True),
        standing=standing_of(batch, progress, reasons),
        speed=speed(progress),
        eta=eta_or_removal(batch, progress, reasons),
        because=waits_because(batch, progress, reasons),
        verbs=legal if may_operate else [],
        raise_url=reverse("admin:batches_batch_act", args=[batch.pk, "resume"]) if held else "",
    )


def eta_or_removal(batch: Batch, progress: Progress, reasons: WaitingReasons) -> str:
    """How long it will take, or how far it is gone; empty while it waits, as nobody knows for how long."""
    if batch.status in Batch.REMOVING:
        return removal_sentence(batch, reasons).partition(".")[0]
    return "" if waits_because(batch, progress, reasons) else eta(progress)
