"""The triage desk of one batch: put together from rollups and by index, whatever the batch's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.safestring import SafeString

from batches.extensions import Link
from batches.models import Batch, Item
from batches.pages.item_list import items_url
from batches.pages.map_page import MapPage
from batches.pages.markup import standing_pill
from batches.progress_text import standing_of, waits_of
from batches.progress_tracker import progress_of
from batches.wording import number_agrees, quantity
from errors.desk.addresses import records_url
from errors.desk.advice_section import AdviceSection, advice_section
from errors.desk.charts import TimelineChart, map_with_findings, timeline
from errors.desk.export_menu import ExportMenu
from errors.desk.filter_bar import FilterBar, filter_bar
from errors.desk.finding_cards import FindingCard, finding_cards
from errors.desk.group_list import GroupList, group_list
from errors.filters.error_filter import ErrorFilter
from errors.findings import IN_PAGE_LIMIT, LookedAt, is_due, looked_at
from errors.findings.failed import FailedItems, failed_items
from errors.findings.problem_items import problem_items
from errors.findings.timeline import MAX_ERRORS_IN_PAGE, Extent, available_bins, current_bins, extent_of
from errors.models import Findings

FINDINGS_SHOWN = 6
"""So many are marked on the pictures; the weaker ones wait below, for those who ask."""


@dataclass(frozen=True, slots=True)
class DeskPage:
    """Everything that the desk of a batch shows."""

    batch: Batch
    pill: SafeString
    sentence: str
    waits: str
    """What waits for its next try, and until when; empty if nothing does."""
    failed: FailedItems
    counts: list[Link]
    map: MapPage
    timeline: TimelineChart
    findings: list[FindingCard]
    """Those that are marked on the pictures."""
    weaker_findings: list[FindingCard]
    looked_at: LookedAt
    """How much of the batch these were looked for in."""
    is_looking: bool
    """Whether a worker is to look for patterns in this large batch."""
    problem_items: Sequence[Mapping[str, Any]]
    """Items that keep failing."""
    filter_bar: FilterBar
    groups: GroupList
    advice: AdviceSection

    @property
    def is_waiting(self) -> bool:
        """Whether something on the page was not waited for, so that its script asks again soon."""
        return bool(self.is_looking or self.map.pending or self.timeline.is_pending)

    @property
    def is_moving(self) -> bool:
        """Whether the numbers may change by themselves."""
        return self.batch.status in Batch.ACTIVE

    @property
    def has_plan(self) -> bool:
        """Whether there is a plan, or anything to make one for; a script's batch is tried again by that alone."""
        return not self.batch.is_ad_hoc and bool(self.failed.affected or self.advice.plan.steps)

    @property
    def export_menu(self) -> ExportMenu:
        return ExportMenu(self.batch, self.filter_bar.error_filter)

    @property
    def has_pictures(self) -> bool:
        return bool(self.failed.affected or self.timeline.errors or self.is_moving)


def desk_page(
    batch: Batch, error_filter: ErrorFilter, user: AbstractBaseUser, after: str = "", *, draw: bool = False
) -> DeskPage:
    """The desk with the groups behind the token `after`, as far as the person may act upon them; with `draw` the
    pictures however long they take."""
    failed, extent, findings = failed_items(batch), extent_of(batch), finding_cards(batch)
    marked = findings[:FINDINGS_SHOWN]
    times = current_bins(batch) if draw else available_bins(batch, extent)
    progress = progress_of([batch])[batch.pk]
    return DeskPage(
        batch=batch,
        pill=standing_pill(standing_of(batch, progress)),
        sentence=sentence(batch, failed),
        waits="" if batch.is_final else waits_of(progress),
        failed=failed,
        counts=counts(batch, failed, extent, 0 if batch.is_final else progress.waiting),
        map=map_with_findings(batch, extent, marked, draw=draw),
        timeline=timeline(batch, extent, times, marked),
        findings=marked,
        weaker_findings=findings[FINDINGS_SHOWN:],
        looked_at=looked_at(batch, failed.done),
        is_looking=batch.total_items > IN_PAGE_LIMIT and is_due(batch),
        problem_items=items_that_keep_failing(batch, extent),
        filter_bar=filter_bar(batch, error_filter),
        groups=group_list(batch, error_filter, after, extent, times, user),
        advice=advice_section(batch),
    )


def sentence(batch: Batch, failed: FailedItems) -> str:
    """The desk's first line, for a person who was just woken."""
    if not failed.affected:
        return f"No item is failed now; {failed.done:,} of {failed.total:,} are done."
    of = (
        f"of {quantity(failed.done, 'item')} so far"
        if failed.done < failed.total
        else f"of {quantity(failed.total, 'item')}"
    )
    tail = f"Halted: {exceeded_budget(batch, failed)}" if batch.status == Batch.Status.HALTED else budget(batch)
    return f"{failed.affected:,} {of} failed ({failed.share}). {tail}".rstrip()


def exceeded_budget(batch: Batch, failed: FailedItems) -> str:
    """The limit for which the batch was halted: its reason counts again what the sentence counts anew."""
    if batch.max_errors is not None and failed.affected > batch.max_errors:
        return f"the budget is {batch.max_errors:,}."
    if batch.max_error_rate is not None:
        return f"the budget is {batch.max_error_rate:g} %."
    return batch.reason


def budget(batch: Batch) -> str:
    """How much may fail before the batch is halted; empty without a limit."""
    limits = [quantity(batch.max_errors, "item")] if batch.max_errors is not None else []
    limits += [f"{batch.max_error_rate:g}%"] if batch.max_error_rate is not None else []
    return f"Its budget is {' or '.join(limits)}." if limits else ""


def counts(batch: Batch, failed: FailedItems, extent: Extent, waiting: int) -> list[Link]:
    """A batch of the Python API may have failures without items of its own: these are listed as records. `waiting`
    items are to be tried again, and are named where there are any."""
    affected_url = items_url(batch, failed=True) if batch.processor else records_url(batch.pk)
    waiting_url = items_url(batch, available_at__isnull="False")
    aside_url = items_url(batch, status__exact=Item.Status.QUARANTINED.value)
    return [
        Link("item affected" if failed.affected == 1 else "items affected", affected_url, failed.affected),
        Link("error (attempts)" if extent.errors == 1 else "errors (attempts)", records_url(batch.pk), extent.errors),
        Link("group" if extent.groups == 1 else "groups", "#groups", extent.groups),
        Link("set aside", aside_url, failed.quarantined),
        *(
            [Link(number_agrees(waiting, "waits", "wait") + " for another try", waiting_url, waiting)]
            if waiting
            else []
        ),
    ]


def items_that_keep_failing(batch: Batch, extent: Extent) -> Sequence[Mapping[str, Any]]:
    """Of a batch with many errors as they were at the last look."""
    if extent.errors <= MAX_ERRORS_IN_PAGE:
        return problem_items(batch)
    return Findings.objects.filter(batch=batch).values_list("problems", flat=True).first() or []
