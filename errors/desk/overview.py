"""What needs attention now, over all batches: those that stopped or failed, and the groups nobody has settled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.utils.safestring import SafeString

from batches.models import Batch
from batches.pages.markup import pill
from batches.pages.tabs import Tab
from batches.progress_tracker import Progress, progress_of
from batches.wording import number_agrees, quantity
from errors.desk.addresses import desk_url
from errors.desk.group_query import GroupChoices, GroupOverviewList, GroupQuery, group_choices, group_overview_list
from errors.detectors.findings import percent
from errors.models import BatchGroup, ErrorGroup, holds_errors

BATCHES_SHOWN = 12
RECENT_BATCHES = 200
"""Batches among which those with open groups are looked for, the latest first."""
State = ErrorGroup.State
STOPPED = (Batch.Status.HALTED, Batch.Status.FAILED)
LOUD_GROUPS = Q(group__state__in=(State.NEW, State.REGRESSED), group__merged_into__isnull=True, group__by_place=False)


@dataclass(frozen=True, slots=True)
class BatchToLookAt:
    """One batch to look at: how much of it failed, and how many of its groups nobody has looked at."""

    batch: Batch
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
    def pill(self) -> SafeString:
        return pill(self.batch.status, self.batch.get_status_display())

    @property
    def url(self) -> str:
        return desk_url(self.batch.pk)


@dataclass(frozen=True, slots=True)
class Overview:
    """The desk over all batches."""

    sentence: str
    batches: list[BatchToLookAt]
    tabs: list[Tab]
    query: GroupQuery
    choices: GroupChoices
    groups: GroupOverviewList


def overview(values: Mapping[str, Any]) -> Overview:
    """`values` are those of a query string."""
    query = GroupQuery.from_query(values)
    by_state = dict(ErrorGroup.objects.filter(holds_errors()).order_by().values_list("state").annotate(n=Count("pk")))
    batches = batches_to_look_at()
    return Overview(
        sentence=sentence(batches, by_state),
        batches=batches,
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


def sentence(batches: Sequence[BatchToLookAt], by_state: Mapping[str, int]) -> str:
    """The state of things, for a person who was just woken."""
    stopped = sum(row.is_stopped for row in batches)
    parts = [f"{stopped} {number_agrees(stopped, 'batch has', 'batches have')} stopped"] if stopped else []
    for state, text in ((State.REGRESSED, "came back"), (State.NEW, "nobody has looked at")):
        if groups := by_state.get(state, 0):
            parts.append(f"{quantity(groups, 'group')} {text}")
    if not parts:
        return "Nothing needs attention."
    return f"{', '.join(parts[:-1])}{' and ' if len(parts) > 1 else ''}{parts[-1]}."


def batches_to_look_at() -> list[BatchToLookAt]:
    """Batches that stopped, and the latest ones that have groups which are new or came back."""
    recent = list(Batch.objects.order_by("-created_at").values_list("pk", flat=True)[:RECENT_BATCHES])
    loud = BatchGroup.objects.filter(LOUD_GROUPS, batch__in=recent).order_by()
    loud_groups: dict[str, dict[str, int]] = defaultdict(dict)
    for batch_id, state, groups in loud.values_list("batch", "group__state").annotate(n=Count("pk")):
        loud_groups[batch_id][state] = groups
    stopped = list(Batch.objects.filter(status__in=STOPPED).order_by("-created_at")[:BATCHES_SHOWN])
    others = Batch.objects.filter(pk__in=list(loud_groups)).exclude(status__in=STOPPED).order_by("-created_at")
    batches = [*stopped, *others[: max(0, BATCHES_SHOWN - len(stopped))]]
    progress = progress_of(batches)
    return [batch_row(batch, progress[batch.pk], loud_groups[batch.pk]) for batch in batches]


def batch_row(batch: Batch, progress: Progress, loud_groups: Mapping[str, int]) -> BatchToLookAt:
    """`loud_groups` counts groups by state."""
    failures, new, regressed = progress.failed + progress.quarantined, State.NEW, State.REGRESSED
    return BatchToLookAt(batch, failures, progress.done, loud_groups.get(new, 0), loud_groups.get(regressed, 0))
