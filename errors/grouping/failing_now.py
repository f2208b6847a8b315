"""How many items fail now, or are to be tried again, by group: each in the group of its last failure.

Counted when somebody looks, and kept until the batch has moved: no chunk pays for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, Count, ExpressionWrapper, F, Q, QuerySet, Sum
from django.utils import timezone

from batches.compiled_query import CompiledQuery, CompiledRows
from batches.lanes import lane_counts
from batches.models import Batch, Item
from errors.grouping.stand_at_rest import LAST_LOOK, stand_at_rest
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, FailingCount

MANY_ERRORS = 20_000
"""A running batch with more errors than this is counted every few seconds only, and not while the overview waits."""
SECONDS_BETWEEN_COUNTS = timedelta(seconds=5)
COUNTED_PER_OVERVIEW = 20


def refresh(batch: Batch) -> None:
    """Bring the batch's counts up to date; nothing is done where it has not moved since, or where its items go."""
    if batch.status in Batch.REMOVED:
        return
    sums = sums_of(batch.pk)[batch.pk]
    kept, current = KEPT.first([batch.pk]), sums.revision
    if kept is None and not sums.groups:
        return  # nothing of it has ever failed
    if kept is not None and (kept.revision == current or is_soon(batch, kept)):
        return
    count(batch.pk, batch.processor)
    FailingCount.objects.update_or_create(batch=batch, defaults={"revision": current, "at": timezone.now()})


KEPT = CompiledRows(FailingCount, lambda batch_ids: FailingCount.objects.filter(batch__in=batch_ids).order_by())


def kept_counts(batch: Batch) -> dict[int, int]:
    """group -> items that failed so last and stand so now, set aside or not; empty where the batch has moved since
    they were counted."""
    if not is_up_to_date(batch):
        return {}
    rows = BatchGroup.objects.filter(batch=batch).order_by().values_list("group", "failing", "set_aside")
    return {group: failing + set_aside for group, failing, set_aside in rows if failing or set_aside}


def is_up_to_date(batch: Batch) -> bool:
    """Whether the batch has not moved since its items were counted, group by group."""
    kept = KEPT.first([batch.pk]) if batch.processor else None
    return kept is not None and kept.revision == sums_of(batch.pk)[batch.pk].revision


def groups_left_by_items(batch: Batch) -> list[int] | None:
    """Groups in which items failed that do not stand so now; None where the batch has moved since they were counted."""
    if not is_up_to_date(batch):
        return None
    standing = F("failing") + F("set_aside") + F("waiting")
    rows = BatchGroup.objects.filter(batch=batch, items__gt=standing).order_by()
    return list(rows.values_list("group", flat=True))


def is_soon(batch: Batch, kept: FailingCount) -> bool:
    if batch.status not in Batch.ACTIVE or timezone.now() - kept.at > SECONDS_BETWEEN_COUNTS:
        return False
    errors = BatchGroup.objects.filter(batch=batch).aggregate(n=Sum("errors", default=0))["n"]
    return bool(errors > MANY_ERRORS)


def refresh_stale(*, at_once: bool = False) -> None:
    """The same for every batch with an open group; small ones, and few of them, while somebody waits for it.

    Most batches of a year have none, and are not looked at; nor are those at rest, while somebody waits, as long as
    nothing about them has changed since none of them was stale.
    """
    stand = stand_at_rest()
    is_unchanged = at_once and stand == LAST_LOOK.up_to_date
    if is_unchanged and not stand.is_any_active:
        return
    stale = stale_batches(HAS_OPEN & Q(batch__status__in=Batch.ACTIVE) if is_unchanged else HAS_OPEN, at_once=at_once)
    if not any(batch.status not in Batch.ACTIVE for batch in stale):
        LAST_LOOK.up_to_date = stand
    for batch in stale[:COUNTED_PER_OVERVIEW] if at_once else stale:
        refresh(batch)


HAS_OPEN = Q(batch__in=BatchGroup.objects.filter(group__state__in=ErrorGroup.OPEN).order_by().values("batch"))
"""Of lanes and counters: their batch has an open group."""


def stale_batches(chosen: Q, *, at_once: bool) -> list[Batch]:
    """Batches that have moved since they were counted, the newest first; without large ones while somebody waits."""
    kept = dict(FailingCount.objects.filter(chosen).values_list("batch", "revision"))
    stale = [
        pk
        for pk, sums in sums_where(chosen).items()
        if kept.get(pk) != sums.revision and not (at_once and sums.errors > MANY_ERRORS)
    ]
    if not stale:
        return []
    batches = Batch.objects.filter(pk__in=stale).exclude(status__in=Batch.REMOVED).order_by("-created_at")
    return list(batches.only("status", "processor"))


@dataclass(slots=True)
class Sums:
    """What a batch's lanes and its groups have counted."""

    lanes: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()

    @property
    def revision(self) -> str:
        """Changes whenever an item fails, recovers, is set aside, or counts in another group."""
        return sha256(repr((self.lanes, self.groups)).encode()).hexdigest()

    @property
    def errors(self) -> int:
        return self.groups[0] if self.groups else 0


def sums_of(*batch_ids: str) -> dict[str, Sums]:
    """By batch id, of these or of all."""
    return sums_from(lane_counts.SUMS.rows(batch_ids), GROUPS.rows(batch_ids)) if batch_ids else sums_where(Q())


def sums_where(chosen: Q) -> dict[str, Sums]:
    """Of the batches that the condition names. Two statements that add up in the database: there may be thousands of
    batches before a page is shown. Errors that move to another group change the sums that are weighted by group."""
    return sums_from(lane_counts.sums_of_lanes(chosen), sums_of_groups(chosen))


def sums_of_groups(chosen: Q) -> QuerySet[BatchGroup, tuple[Any, ...]]:
    groups = BatchGroup.objects.filter(chosen).order_by().values_list("batch")
    return groups.annotate(
        errors_=Sum("errors"),
        errors_by_group=weighted("errors"),
        rows_by_group=weighted("pk"),
    )


GROUPS = CompiledQuery(lambda batch_ids: sums_of_groups(Q(batch__in=batch_ids)))


def sums_from(lanes: Iterable[tuple[Any, ...]], groups: Iterable[tuple[Any, ...]]) -> dict[str, Sums]:
    sums: dict[str, Sums] = defaultdict(Sums)
    for pk, *counts in lanes:
        sums[pk].lanes = tuple(counts)
    for pk, *counts in groups:
        sums[pk].groups = tuple(map(int, counts))
    return sums


def weighted(name: str) -> Sum:
    """The sum of a column, each row's times its group."""
    return Sum(ExpressionWrapper(F(name) * F("group"), output_field=BigIntegerField()))


def count(batch_id: str, processor: str) -> None:
    """Row by row, each by itself: a chunk that waits for one of them waits for nothing else."""
    counted = counted_items(batch_id) if processor else {}
    for row in BatchGroup.objects.filter(batch=batch_id).order_by("pk"):
        now = counted.get(row.group_id, NONE) if processor else Now(failing=row.items)
        if now != Now(row.failing, row.set_aside, row.waiting):
            BatchGroup.objects.filter(pk=row.pk).update(**now._asdict())


class Now(NamedTuple):
    """How the items stand that failed alike last."""

    failing: int = 0
    set_aside: int = 0
    waiting: int = 0


NONE = Now()


def counted_items(batch_id: str) -> Mapping[int, Now]:
    """group -> how its items stand, by their last failures. What failed, and what is to be tried again, are asked for
    apart: each has an index of its own, which has no item that succeeded at once."""
    counted: dict[int, Now] = defaultdict(Now)
    for group, status, n in by_last_failure(batch_id, failed_at__isnull=False):
        name = "failing" if status == Item.Status.FAILED else "set_aside"
        counted[group] = counted[group]._replace(**{name: n})
    for group, status, n in by_last_failure(batch_id, available_at__isnull=False):
        if status == Item.Status.PENDING:
            counted[group] = counted[group]._replace(waiting=n)
    return counted


def by_last_failure(batch_id: str, **of_items: bool) -> QuerySet[ErrorRecord, tuple[Any, ...]]:
    """(group, status of items, how many of them), of the items that the lookups name."""
    chosen = {f"item__{lookup}": value for lookup, value in of_items.items()}
    last = ErrorRecord.objects.filter(item__batch=batch_id, attempt=F("item__attempts"), **chosen).order_by()
    return last.values_list("group", "item__status").annotate(n=Count("pk"))
