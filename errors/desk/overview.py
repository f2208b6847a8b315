"""What needs attention now, over all batches: those that stopped or failed, and the groups nobody has settled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.utils.safestring import SafeString

from batches.engine.waiting_reasons import WaitingReasons
from batches.models import Batch
from batches.pages.markup import standing_pill
from batches.pages.tabs import Tab
from batches.progress_text import standing_of
from batches.progress_tracker import Progress, progress_of
from batches.wording import number_agrees, quantity
from errors.desk.addresses import desk_url
from errors.desk.group_query import GroupChoices, GroupOverviewList, GroupQuery, group_choices, group_overview_list
from errors.detectors.findings import percent
from errors.grouping import failing_now
from errors.models import FAILS_OPENLY, BatchGroup, ErrorGroup, holds_errors

BATCHES_SHOWN = 12
State = ErrorGroup.State
STOPPED = (Batch.Status.HALTED, Batch.Status.FAILED)
LOUD_GROUPS = Q(group__state__in=(State.NEW, State.REGRESSED), group__merged_into__isnull=True, group__by_place=False)


@dataclass(frozen=True, slots=True)
class BatchToLookAt:
    """One batch to look at: how much of it failed, and how many of its groups nobody has looked at."""

    batch: Batch
    pill: SafeString
    failures: int
    done: int
    new_groups: int
    regressed_groups: int

    @property
    def is_stopped(self) -> bool:
        return self.batch.status in STOPPED

    @property
    def is_settled(self) -> bool:
        """Whether somebody has looked at all of its groups."""
        return not self.new_groups and not self.regressed_groups

    @property
    def why(self) -> str:
        return self.batch.reason if self.is_stopped else ""

    @property
    def share(self) -> str:
        return percent(self.failures / self.done) if self.done else ""

    @property
    def url(self) -> str:
        return desk_url(self.batch.pk)


@dataclass(frozen=True, slots=True)
class Overview:
    """The desk over all batches."""

    sentence: str
    batches: list[BatchToLookAt]
    more_batches: int
    """Batches to look at beside those."""
    tabs: list[Tab]
    query: GroupQuery
    choices: GroupChoices
    groups: GroupOverviewList


def overview(values: Mapping[str, Any]) -> Overview:
    """`values` are those of a query string."""
    query = GroupQuery.from_query(values)
    by_state = dict(ErrorGroup.objects.filter(holds_errors()).order_by().values_list("state").annotate(n=Count("pk")))
    failing_now.refresh_stale(at_once=True)
    failing, batches = failing_of_open_groups(), batches_to_look_at()
    stopped = Batch.objects.filter(status__in=STOPPED).count()
    return Overview(
        sentence=sentence(failing, stopped, by_state),
        batches=batches,
        more_batches=failing.batches + stopped_without_failures() - len(batches),
        tabs=state_tabs(query, by_state),
        query=query,
        choices=group_choices(),
        groups=group_overview_list(query, str(values.get("after", ""))),
    )


def state_tabs(query: GroupQuery, by_state: Mapping[str, int]) -> list[Tab]:
    """Open groups first: they are what is listed unless a state is chosen."""
    open_groups = sum(by_state.get(state, 0) for state in ErrorGroup.OPEN)
    states = [
        Tab(state.value.capitalize(), f"?state={state}", query.state == state, by_state.get(state, 0))
        for state in State
    ]
    return [Tab("Open", "?", not query.state, open_groups), *states]


def sentence(failing: Failing, stopped: int, by_state: Mapping[str, int]) -> str:
    """The state of things, for a person who was just woken: the causes first."""
    parts = [f"{stopped:,} {number_agrees(stopped, 'batch has', 'batches have')} stopped"] if stopped else []
    for state, text in ((State.REGRESSED, "came back"), (State.NEW, "nobody has looked at")):
        if groups := by_state.get(state, 0):
            parts.append(f"{quantity(groups, 'group')} {text}")
    if failing.items:
        verb, in_ = number_agrees(failing.items, "fails", "fail"), quantity(failing.batches, "batch", "batches")
        why = f"for {quantity(failing.causes, 'cause')}"
        first = f"{quantity(failing.items, 'item')} {verb} now in {in_}, {why}."
        return f"{first} {joined(parts)}".rstrip()
    return joined(parts) or "Nothing needs attention."


def joined(parts: Sequence[str]) -> str:
    if not parts:
        return ""
    return f"{', '.join(parts[:-1])}{' and ' if len(parts) > 1 else ''}{parts[-1]}."


@dataclass(frozen=True, slots=True)
class Failing:
    """What fails now of open groups: items, in how many batches, and how many groups those are."""

    items: int
    batches: int
    causes: int


def failing_of_open_groups() -> Failing:
    """Over all batches; an item counts once, in the group of its last failure."""
    rows = BatchGroup.objects.filter(FAILS_OPENLY)
    counted = rows.aggregate(items=Sum("failing", default=0), causes=Count("group", distinct=True))
    # Ids of batches are sorted slowly where a database counts different ones; in a subquery they are hashed.
    return Failing(batches=rows.values("batch").distinct().count(), **counted)


def batches_to_look_at() -> list[BatchToLookAt]:
    """Batches that stopped, then those of which open groups fail, the latest of each first."""
    latest_first = Batch.objects.order_by("-created_at")
    batches = list(latest_first.filter(status__in=STOPPED)[:BATCHES_SHOWN])
    if room := BATCHES_SHOWN - len(batches):
        batches += latest_first.filter(Exists(failing_here())).exclude(status__in=STOPPED)[:room]
    loud = BatchGroup.objects.filter(LOUD_GROUPS, batch__in=batches).order_by()
    loud_groups: dict[str, dict[str, int]] = defaultdict(dict)
    for batch_id, state, groups in loud.values_list("batch", "group__state").annotate(n=Count("pk")):
        loud_groups[batch_id][state] = groups
    progress, reasons = progress_of(batches), WaitingReasons()
    return [batch_row(batch, progress[batch.pk], reasons, loud_groups[batch.pk]) for batch in batches]


def failing_here() -> QuerySet[BatchGroup]:
    """Open groups that fail, of the batch of a surrounding query."""
    return BatchGroup.objects.filter(FAILS_OPENLY, batch=OuterRef("pk"))


def stopped_without_failures() -> int:
    """How many batches stopped without an open group that fails."""
    return Batch.objects.filter(~Exists(failing_here()), status__in=STOPPED).count()


def batch_row(
    batch: Batch, progress: Progress, reasons: WaitingReasons, loud_groups: Mapping[str, int]
) -> BatchToLookAt:
    """`loud_groups` counts groups by state."""
    failures, new, regressed = progress.failed + progress.quarantined, State.NEW, State.REGRESSED
    pill = standing_pill(standing_of(batch, progress, reasons))
    return BatchToLookAt(batch, pill, failures, progress.done, loud_groups.get(new, 0), loud_groups.get(regressed, 0))
