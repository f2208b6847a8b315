"""The page of one error group within one batch: its head, the tab that was asked for, and what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum
from django.urls import reverse
from django.utils.safestring import SafeString

from batches import operations
from batches.extensions import Link
from batches.models import Batch, Retry
from batches.pages.markup import pill
from batches.pages.tabs import Tab
from batches.wording import quantity
from errors.desk.export_menu import ExportMenu
from errors.desk.group_forms.base import seen
from errors.desk.group_page.differs_tab import DiffersTab, differs_tab
from errors.desk.group_page.failure import columns_of, records_of
from errors.desk.group_page.header import HeadNumber, head_numbers
from errors.desk.group_page.history_tab import HistoryTab, history_tab
from errors.desk.group_page.item_filter import ItemFilter
from errors.desk.group_page.items_tab import ItemsTab, items_tab
from errors.desk.group_page.marked import Part, fields_in, title_parts
from errors.desk.group_page.membership import Membership, membership
from errors.desk.group_page.retries_tab import RetriesTab, retries_tab
from errors.desk.group_page.sample_tab import SampleTab, sample_tab
from errors.desk.group_page.seen_in import SeenIn, seen_in
from errors.desk.group_page.state_reason import last_change, state_reason
from errors.filters.ageing import AGEING_MEANS, is_ageing
from errors.filters.error_filter import ErrorFilter
from errors.groups import LEGAL_STATES, background
from errors.models import BatchGroup, ErrorGroup, RegroupJob

State = ErrorGroup.State
BUTTONS = {"resolve": "Resolve…", "ignore": "Ignore…", "reopen": "Reopen…"}
MENU = {"merge": "Merge into another…", "split": "Split…"}
TABS = {
    "sample": "Sample",
    "items": "Items",
    "differs": "What differs",
    "retries": "Before and after",
    "history": "History and notes",
}
WIDE_TABS = ("items", "retries")
"""Tabs that take the whole width: what stands beside the others stands below them."""
TabContent = SampleTab | ItemsTab | DiffersTab | RetriesTab | HistoryTab


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Everything that the page of a group shows."""

    rollup: BatchGroup
    reason: str
    """Why the group is in its state, and `since` when."""
    since: datetime | None
    ageing: str
    """Why it should be looked at, if nobody has for too long; empty otherwise."""
    job: RegroupJob | None
    """A merge or split that a worker has yet to finish."""
    title_parts: list[Part]
    numbers: list[HeadNumber]
    seen_in: SeenIn
    membership: Membership
    merged: list[ErrorGroup]
    """Groups whose errors count here because somebody said so."""
    tab_name: str
    tab: TabContent

    @property
    def batch(self) -> Batch:
        return self.rollup.batch

    @property
    def group(self) -> ErrorGroup:
        return self.rollup.group

    @property
    def pill(self) -> SafeString:
        return pill(self.group.state, self.group.state)

    @property
    def waits_for(self) -> Retry | None:
        """The retry that resolves it if that is clean."""
        return self.group.clean_after

    @property
    def seen(self) -> str:
        """How the group stands, for forms: what changed since is not acted upon unseen."""
        return seen(self.group)

    @property
    def can_be_acknowledged(self) -> bool:
        return self.is_legal("acknowledge")

    @property
    def can_be_split(self) -> bool:
        return self.is_legal("split")

    @property
    def can_be_retried(self) -> bool:
        return operations.may_retry(self.batch)

    @property
    def buttons(self) -> list[Link]:
        """Verbs that are legal now, each to the page that asks how."""
        return [Link(label, self.verb_url(verb)) for verb, label in BUTTONS.items() if self.is_legal(verb)]

    @property
    def menu(self) -> list[Link]:
        return [Link(label, self.verb_url(verb)) for verb, label in MENU.items() if self.is_legal(verb)]

    @property
    def export_menu(self) -> ExportMenu:
        return ExportMenu(self.batch, self.error_filter)

    @property
    def error_filter(self) -> ErrorFilter:
        """What the desk's filter would say to meet this group alone."""
        return ErrorFilter(group=self.group.fingerprint)

    @property
    def job_text(self) -> str:
        """What is being moved by a worker; empty where nothing is."""
        if self.job is None:
            return ""
        if self.job.verb == "merge" and self.job.other is not None:
            other = str(self.job.other)
            return f"A merge of {quantity(self.job.errors, 'error')} into “{other[:80]}”"
        return f"A split of {quantity(self.job.errors, 'error')}"

    @property
    def tabs(self) -> list[Tab]:
        return [Tab(label, f"?tab={name}", name == self.tab_name) for name, label in TABS.items()]

    @property
    def is_wide(self) -> bool:
        return self.tab_name in WIDE_TABS

    def is_legal(self, verb: str) -> bool:
        return self.group.state in LEGAL_STATES[verb]

    def verb_url(self, verb: str) -> str:
        return reverse("admin:errors_group_act", args=[self.batch.pk, self.group.fingerprint, verb])


def group_page(rollup: BatchGroup, query: Mapping[str, str]) -> GroupPage:
    """The head, one tab and the side; each tab asks the database only for its own."""
    batch, group, tab = rollup.batch, rollup.group, query.get("tab", "")
    tab = tab if tab in TABS else "sample"
    errors = BatchGroup.objects.filter(batch=batch).aggregate(n=Sum("errors", default=0))["n"]
    last = last_change(group)
    is_new = group.state == State.NEW
    return GroupPage(
        rollup=rollup,
        reason=state_reason(group, last),
        since=last.at if last else None,
        ageing=AGEING_MEANS if is_new and ErrorGroup.objects.filter(is_ageing(), pk=group.pk).exists() else "",
        job=background.jobs_of(group.pk).select_related("other").first(),
        title_parts=title_parts(str(group), field_names(batch, group)),
        numbers=head_numbers(rollup, errors),
        seen_in=seen_in(batch, group),
        membership=membership(batch, rollup),
        merged=list(group.merged.all()),
        tab_name=tab,
        tab=TAB_BUILDERS[tab](rollup, query),
    )


def field_names(batch: Batch, group: ErrorGroup) -> frozenset[str]:
    """Names that may stand in its title: the columns of the file, or the fields of one of its items."""
    if columns := columns_of(batch):
        return frozenset(columns)
    record = records_of(batch, group).select_related("item").first()
    return fields_in(record.item.payload) if record and record.item else frozenset()


def build_items_tab(rollup: BatchGroup, query: Mapping[str, str]) -> ItemsTab:
    after, before = record_id(query, "after"), record_id(query, "before")
    return items_tab(rollup.batch, rollup.group, ItemFilter.from_query(query), after, before)


def record_id(query: Mapping[str, str], name: str) -> int:
    """An id in an address; 0 where there is none."""
    text = query.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else 0


TAB_BUILDERS: dict[str, Callable[[BatchGroup, Mapping[str, str]], Any]] = {
    "sample": lambda rollup, query: sample_tab(rollup.batch, rollup, record_id(query, "sample")),
    "items": build_items_tab,
    "differs": lambda rollup, query: differs_tab(rollup.batch, rollup),
    "retries": lambda rollup, query: retries_tab(rollup.batch, rollup.group),
    "history": lambda rollup, query: history_tab(rollup.group, query.get("before", "")),
}
