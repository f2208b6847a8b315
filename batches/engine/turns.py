"""Whose turn it is: the one rule by which worker processes divide themselves among batches.

1. A batch that has begun and that nobody has worked on for ten seconds.
2. A batch that has not begun; the one that was submitted first.
3. A batch that has begun and that nobody holds; the one that was let go first.
4. A batch that could use one more process; the one that has the fewest.

While everything is paused, no batch has a turn.

A process that is free takes the first of these, whatever message woke it. A process at work looks every half second
whether somebody waits under 1 or 2, and after two seconds also under 3; then it gives its lane back between two chunks
and takes whose turn it is. Nobody has to be told: a message only wakes a process that sleeps.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import timedelta
from time import monotonic
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    Max,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce

from batches.clock import now_sql
from batches.lanes import global_pause
from batches.lanes.lane_counts import COUNTERS
from batches.models import Batch, Checkpoint, Item

logger = logging.getLogger("batches")

LOOK_UP_EVERY = 0.5
SHARED_SECONDS = 2.0
LONGEST_WAIT = timedelta(seconds=10)


def next_batch(but: Collection[str] = ()) -> str | None:
    """The batch whose turn it is, if there is any but those."""
    begun = deserted(but)
    choices = (begun.filter(let_go__lte=now_sql() - LONGEST_WAIT), not_begun(but), begun, shared(but))
    return next((pk for rows in choices for pk in rows.values_list("pk", flat=True)[:1]), None)


def not_begun(but: Collection[str] = ()) -> QuerySet[Any]:
    """Batches that were started, and that no worker has had since; the one that was submitted first."""
    queued = may_be_worked_on(Batch.Status.QUEUED, but)
    return with_room(queued).order_by("created_at")


def deserted(but: Collection[str] = ()) -> QuerySet[Any]:
    """Batches that have begun, that nobody holds, and that have work; the one that was let go first."""
    let_go = Coalesce(Max("lanes__saved_at"), F("running_since"), F("created_at"))
    return working(but).filter(~Exists(held_lanes())).annotate(let_go=let_go).order_by("let_go")


def shared(but: Collection[str] = ()) -> QuerySet[Any]:
    """Batches that have work, and could use one process more than they have; the one that has the fewest first."""
    return with_room(working(but)).order_by("held", "created_at")


def may_be_worked_on(status: str, but: Collection[str]) -> QuerySet[Any]:
    """Batches of that status which are for workers, but those; none while everything is paused."""
    batches = Batch.objects.filter(~global_pause.is_in_force(), status=status)
    return batches.exclude(processor="").exclude(pk__in=but)


def with_room(batches: QuerySet[Any]) -> QuerySet[Any]:
    """Those that may have one more process; `held` says how many they have."""
    held = held_lanes().order_by().values("batch").annotate(n=Count("pk")).values("n")
    lanes: Any = F("concurrency") if connection.vendor == "postgresql" else Value(1)
    return batches.annotate(held=Coalesce(Subquery(held), 0)).filter(held__lt=lanes)


def held_lanes() -> QuerySet[Checkpoint]:
    return Checkpoint.objects.filter(batch=OuterRef("pk")).exclude(worker="")


def working(but: Collection[str]) -> QuerySet[Any]:
    """Running batches of which an item could be claimed now. Counted, not looked for among all its items."""
    items = Item.objects.filter(batch=OuterRef("pk")).order_by().values("batch")
    done = Checkpoint.objects.filter(batch=OuterRef("pk")).order_by().values("batch")
    away = (
        done.annotate(n=Sum(sum((F(name) for name in COUNTERS[1:]), F(COUNTERS[0])))),
        items.filter(claimed_at__isnull=False).annotate(n=Count("pk")),
        items.filter(available_at__gt=now_sql(), status=Item.Status.PENDING).annotate(n=Count("pk")),
    )
    left: Any = F("total_items")
    for rows in away:
        left = left - Coalesce(Subquery(rows.values("n")), 0)
    running = may_be_worked_on(Batch.Status.RUNNING, but)
    return running.annotate(left=ExpressionWrapper(left, output_field=BigIntegerField())).filter(left__gt=0)


class Turn:
    """A process's turn at a batch: it ends when another batch waits for a process."""

    def __init__(self, but: Collection[str] = ()) -> None:
        self.but, self.began, self.looked_at, self.over = tuple(but), monotonic(), monotonic(), False

    def is_over(self) -> bool:
        """Whether to give the lane back; asked of the database every half second, outside of any chunk."""
        if not self.over and monotonic() - self.looked_at >= LOOK_UP_EVERY and not connection.in_atomic_block:
            self.looked_at = monotonic()
            self.over = self.somebody_waits()
        return self.over

    def somebody_waits(self) -> bool:
        begun = deserted(self.but)
        if monotonic() - self.began < SHARED_SECONDS:
            begun = begun.filter(let_go__lte=now_sql() - LONGEST_WAIT)
        try:
            return not_begun(self.but).exists() or begun.exists()
        except AnyDatabaseError as error:
            logger.info("whose turn it is, is not known: %s", str(error).partition("\n")[0])
            return False
