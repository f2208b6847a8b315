"""Items that wait for their next try: how many, why, and until when. A worker has nothing to do for them yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet

from batches import clock
from batches.compiled_query import CompiledQuery
from batches.models import Batch, Item

ITEMS_READ = 1_000
"""Items of a batch that are looked at for why they wait, those first whose turn is next."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """`items` of a batch wait, the first until `first_at`, the last until `last_at`.

    The next try is `attempt` of the item that had most; `codes` are those of their last failures, the most frequent
    first. `due` items have waited: they may run, the first of them since `due_since`.
    """

    items: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    attempt: int | None = None
    codes: list[str] = field(default_factory=list)
    due: int = 0
    due_since: datetime | None = None

    def to_dict(self) -> dict[str, Any] | None:
        """JSON-able, with ISO 8601 times in UTC; None when nothing waits."""
        if self.first_at is None or self.last_at is None:
            return None
        times = {"first_at": clock.iso_utc(self.first_at), "last_at": clock.iso_utc(self.last_at)}
        return {**times, "attempt": self.attempt, "codes": self.codes}


NOTHING = Waiting()


def waiting_of(batches: Sequence[Batch], now: datetime) -> Mapping[str, Waiting]:
    """By batch id, what waits in those that may go on; the index of waiting items answers."""
    going_on = [batch.pk for batch in batches if not batch.is_final]
    if not going_on:
        return {}
    return {
        batch_id: Waiting(items, first, last, *(why_of(batch_id, now) if items else (None, [])), due_items, due_since)
        for batch_id, items, first, last, due_items, due_since in COUNTED.rows(going_on, now)
    }


def counted(batch_ids: list[str], now: datetime) -> QuerySet[Item, tuple[Any, ...]]:
    later, due = Q(available_at__gt=now), Q(available_at__lte=now)
    rows = Item.objects.filter(batch__in=batch_ids, available_at__isnull=False).order_by().values_list("batch_id")
    return rows.annotate(
        waiting=Count("pk", filter=later),
        first=Min("available_at", filter=later),
        last=Max("available_at", filter=later),
        due=Count("pk", filter=due),
        due_since=Min("available_at", filter=due),
    )


COUNTED = CompiledQuery(counted)


def why_of(batch_id: str, now: datetime) -> tuple[int | None, list[str]]:
    """The number of the next try, and the codes of the last failures, of the items whose turn is next."""
    rows = list(waiting_items(batch_id, now).order_by("available_at").values_list("code", "attempts")[:ITEMS_READ])
    codes = Counter(code for code, _ in rows if code)
    return max((attempts + 1 for _, attempts in rows), default=None), [code for code, _ in codes.most_common()]


def tried_items(batch_id: str) -> QuerySet[Item]:
    """Items without an outcome that were tried before; the index of waiting items answers."""
    return Item.objects.filter(
        batch=batch_id, status=Item.Status.PENDING, available_at__isnull=False, attempts__gt=0
    ).order_by()


def waiting_items(batch_id: str, now: Any) -> QuerySet[Item]:
    return Item.objects.filter(batch=batch_id, available_at__gt=now)
