"""What needs attention now, over all batches: those that stopped or failed, and the groups nobody has settled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from batches.models import Batch
from batches.pages.markup import pill
from batches.progress_tracker import progress_of
from errors.detectors.findings import percent
from errors.filters.ageing import AGEING_MEANS, ageing_flag
from errors.filters.query_string import QueryStringFilter
from errors.models import BatchGroup, ErrorGroup, holds_errors

SHOWN = 50
BATCHES_SHOWN = 12
RECENT = 200
"""Batches among which those with open groups are looked for, the latest first."""
State = ErrorGroup.State
LOUD = (State.NEW, State.REGRESSED)


@dataclass(frozen=True, slots=True)
class GroupQuery(QueryStringFilter):
    """Which groups of all batches are listed, and in which order: every field as it stands in an address."""

    state: str = ""
    category: str = ""
    processor: str = ""
    text: str = ""
    whose: str = ""
    sort: str = ""

    def groups(self) -> QuerySet[ErrorGroup]:
        """Open ones, unless another state is asked for."""
        rows = ErrorGroup.objects.filter(
            holds_errors(), state__in=[self.state] if self.state in State.values else ErrorGroup.OPEN
        )
        if self.category:
            rows = rows.filter(category=self.category)
        if self.processor:
            rows = rows.filter(processor=self.processor)
        if self.whose:
            rows = rows.filter(Q(assignee__isnull=True) if self.whose == "nobody" else Q(assignee__username=self.whose))
        if self.text:
            words = Q(title__icontains=self.text) | Q(error_type__icontains=self.text) | Q(code__icontains=self.text)
            rows = rows.filter(words)
        return rows


def overview(query: Mapping[str, Any]) -> dict[str, Any]:
    """Batches first, then groups: those seen last on top, or those that touch most items."""
    group_query = GroupQuery.from_query(query)
    met, after = group_query.groups(), str(query.get("after", ""))
    column = "items" if group_query.sort == "items" else "last_seen"
    ranked = with_counts(met).order_by(f"-{column}", "-pk")
    page = list(behind(ranked, column, after)[: SHOWN + 1])
    every = dict(ErrorGroup.objects.filter(holds_errors()).order_by().values_list("state").annotate(n=Count("pk")))
    batches = needing_attention()
    return {
        "batches": batches,
        "sentence": sentence(batches, every),
        "groups": rows_of(page[:SHOWN]),
        "matching": met.count(),
        "after": token(page[SHOWN - 1], column) if len(page) > SHOWN else "",
        "paged": bool(after),
        "group_query": group_query,
        "states": [(state.value, every.get(state.value, 0)) for state in State],
        "open": sum(every.get(state, 0) for state in ErrorGroup.OPEN),
        **choices(),
        "ageing_means": AGEING_MEANS,
    }


def with_counts(groups: QuerySet[ErrorGroup]) -> QuerySet[ErrorGroup]:
    """Groups with what they count over all batches, and the batch that saw them last."""
    last = BatchGroup.objects.filter(group=OuterRef("pk")).order_by("-last_seen", "-pk").values("batch")[:1]
    return groups.select_related("assignee").annotate(
        items=Sum("batches__items", default=0),
        errors=Sum("batches__errors", default=0),
        seen_in=Count("batches"),
        latest=Subquery(last),
        ageing=ageing_flag(),
    )


def behind(rows: QuerySet[ErrorGroup], column: str, after: str) -> QuerySet[ErrorGroup]:
    """The rows behind the last one of a page."""
    value, _, pk = after.rpartition("~")
    if not (pk.isdecimal() and len(pk) < 19 and value):
        return rows
    at = parse_datetime(value) if column == "last_seen" and len(value) < 40 else None
    n = int(value) if value.isdecimal() and len(value) < 19 else None
    edge = at if column == "last_seen" else n
    if edge is None:
        return rows
    return rows.filter(Q(**{f"{column}__lt": edge}) | Q(**{column: edge}, pk__lt=int(pk)))


def token(row: Any, column: str) -> str:
    value = row.items if column == "items" else row.last_seen.isoformat()
    return f"{value}~{row.pk}"


def choices() -> dict[str, Any]:
    """What groups there are to choose among."""
    kinds = (
        ErrorGroup.objects.filter(holds_errors()).order_by().values_list("category", "processor", "assignee__username")
    )
    known = list(kinds.distinct()[:1_000])
    return {
        "categories": sorted({category for category, _, _ in known}),
        "processors": sorted({processor for _, processor, _ in known if processor}),
        "people": sorted({person for _, _, person in known if person}),
    }


def sentence(batches: Sequence[Mapping[str, Any]], every: Mapping[str, int]) -> str:
    """The state of things, for a person who was just woken."""
    stopped = sum(row["stopped"] for row in batches)
    said = [f"{stopped} {'batch has' if stopped == 1 else 'batches have'} stopped"] if stopped else []
    for state, words in ((State.REGRESSED, "came back"), (State.NEW, "nobody has looked at")):
        if n := every.get(state, 0):
            said.append(f"{n:,} {'group' if n == 1 else 'groups'} {words}")
    if not said:
        return "Nothing needs attention."
    return f"{', '.join(said[:-1])}{' and ' if len(said) > 1 else ''}{said[-1]}."


def needing_attention() -> list[dict[str, Any]]:
    """Batches that stopped, and the latest ones that have groups which are new or came back."""
    stopped = Q(status__in=(Batch.Status.HALTED, Batch.Status.FAILED))
    recent = Batch.objects.order_by("-created_at").values("pk")[:RECENT]
    among = list(recent.values_list("pk", flat=True))
    loud = BatchGroup.objects.filter(holds_errors("group__"), group__state__in=LOUD, batch__in=among)
    counted: dict[str, dict[str, int]] = defaultdict(dict)
    for pk, state, n in loud.order_by().values_list("batch", "group__state").annotate(n=Count("pk")):
        counted[pk][state] = n
    halted = list(Batch.objects.filter(stopped).order_by("-created_at")[:BATCHES_SHOWN])
    others = Batch.objects.filter(pk__in=list(counted)).exclude(stopped).order_by("-created_at")
    rows = [*halted, *others[: max(0, BATCHES_SHOWN - len(halted))]]
    progress = progress_of(rows)
    return [row_of(batch, progress[batch.pk], counted[batch.pk]) for batch in rows]


def row_of(batch: Batch, progress: Any, loud: Mapping[str, int]) -> dict[str, Any]:
    failures = progress.failed + progress.quarantined
    stopped = batch.status in (Batch.Status.HALTED, Batch.Status.FAILED)
    return {
        "batch": batch,
        "pill": pill(batch.status, batch.get_status_display()),
        "stopped": stopped,
        "failures": failures,
        "done": progress.done,
        "share": percent(failures / progress.done) if progress.done else "",
        "why": batch.reason if stopped else "",
        "new": loud.get(State.NEW, 0),
        "regressed": loud.get(State.REGRESSED, 0),
        "url": reverse("admin:errors_desk", args=[batch.pk]),
    }


def rows_of(groups: Sequence[Any]) -> list[dict[str, Any]]:
    names = dict(Batch.objects.filter(pk__in={group.latest for group in groups}).values_list("pk", "name"))
    return [
        {
            "group": group,
            "pill": pill(group.state, group.state),
            "batch": group.latest,
            "batch_name": names.get(group.latest) or group.latest,
        }
        for group in groups
    ]
