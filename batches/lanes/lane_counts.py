"""The outcomes that each lane has counted; those of a batch are their sum."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from batches.clock import now_sql, present
from batches.compiled_query import CompiledQuery
from batches.lanes import global_pause
from batches.models import Batch, Checkpoint, Item

COUNTERS = ("succeeded", "failed", "skipped", "quarantined")
"""The columns of a lane, each the lower-case name of an item's status."""
BETWEEN_TURNS = timedelta(seconds=10)
TO_GO = (Item.Status.PENDING.value, Item.Status.RUNNING.value)
"""The other statuses."""


def counters_of(batch_id: str) -> dict[str, int]:
    """Items by outcome: the sum of the lanes' counters."""
    sums = next((sums for _, *sums in SUMS.rows([batch_id])), [0] * len(COUNTERS))
    return dict(zip(COUNTERS, map(int, sums), strict=True))


def standing_of(batch_id: str) -> tuple[dict[str, int], datetime, datetime | None]:
    """Items by outcome, the present, and since when everything is paused, if it is."""
    *sums, now, paused_since = next(STANDING.rows([batch_id]))
    return dict(zip(COUNTERS, map(int, sums), strict=True)), now, paused_since


def standing(batch_ids: list[str]) -> QuerySet[Batch, tuple[Any, ...]]:
    """A row also of a batch without lanes."""
    sums = {f"{name}_items": Coalesce(Sum(f"lanes__{name}"), 0) for name in COUNTERS}
    rows = Batch.with_unfinished.filter(pk__in=batch_ids).order_by().values("pk").annotate(**sums)
    rows = rows.annotate(now=Max(present()), paused_since=Max(global_pause.since_column()))
    return rows.values_list(*sums, "now", "paused_since")


STANDING = CompiledQuery(standing)


def sums_of_lanes(chosen: Q) -> QuerySet[Checkpoint, tuple[Any, ...]]:
    """Of each batch of the chosen lanes: its id, and the sums of their counters."""
    return Checkpoint.objects.filter(chosen).order_by().values_list("batch").annotate(*map(Sum, COUNTERS))


SUMS = CompiledQuery(lambda batch_ids: sums_of_lanes(Q(batch__in=batch_ids)))
"""The same of the batches with these ids."""


def items_by_status(batch: Batch) -> dict[str, int]:
    """How many items of the batch have each status, without those that the lanes cannot tell: they count none to go."""
    if batch.is_ad_hoc or batch.status in Batch.REMOVED:
        return {}
    counters = counters_of(batch.pk)
    is_done = sum(counters.values()) == batch.total_items
    to_go = dict.fromkeys(TO_GO, 0) if is_done else {}
    return {name.upper(): n for name, n in counters.items()} | to_go


def items_to_go(batch: Batch) -> dict[str, int]:
    """How many items without an outcome are pending, and how many run; these have an index."""
    counted = sum(counters_of(batch.pk).values())
    running = Item.objects.filter(Item.of_statuses(Item.Status.RUNNING), batch=batch).count()
    return dict(zip(TO_GO, (max(0, batch.total_items - counted - running), running), strict=True))


def batches_with(status: str) -> list[tuple[str, int]]:
    """The batches that have items of an outcome, by their ids, and how many each has: without those that a script has
    counted and that have no row."""
    column = status.lower()
    own, by_hand = Sum(column), f"{column}_by_hand"
    n = own - Sum(by_hand) if hasattr(Checkpoint, by_hand) else own
    lanes = Checkpoint.objects.filter(batch__in=Batch.objects.exclude(status__in=Batch.REMOVED)).order_by("batch")
    return list(lanes.values_list("batch").annotate(n=n).filter(n__gt=0))


def first_pending(batch_id: str) -> int:
    """From which position on the batch can have pending items: behind what every lane has looked at, and where the
    first one waits that is to be tried again."""
    looked_at = Checkpoint.objects.filter(batch=batch_id).aggregate(n=Min("position"))["n"]
    waiting = Item.objects.filter(batch=batch_id, available_at__isnull=False).aggregate(n=Min("position"))["n"]
    onward = 0 if looked_at is None else looked_at + 1
    return onward if waiting is None else min(onward, waiting)


def is_done(batch: Batch) -> bool:
    """Whether every item of the batch has an outcome, as far as the lanes can tell."""
    return items_by_status(batch).get(Item.Status.PENDING) == 0


def batches_at_work() -> int:
    """Batches of which a worker holds a lane."""
    return Checkpoint.objects.exclude(worker="").values("batch").distinct().count()


def lanes_in_turn() -> QuerySet[Checkpoint]:
    """Lanes of running batches that a worker holds, or had within ten seconds: batches take turns."""
    lately = Q(saved_at__gt=now_sql() - BETWEEN_TURNS)
    return Checkpoint.objects.filter(~Q(worker="") | lately, batch__status=Batch.Status.RUNNING)


def shift_count(batch: Batch | str, lane: int | None, status: str, by: int) -> None:
    """Let a lane count `by` items more of a status, or less: outcomes were given, or taken back, outside of a chunk."""
    column = status.lower()
    Checkpoint.objects.filter(batch=batch, lane=lane or 0).update(**{column: F(column) + by})
