"""Whose turn it is: the one rule by which worker processes divide themselves among batches.

1. A batch that has begun and that nobody has worked on for ten seconds.
2. A batch that has not begun; the one that was submitted first.
3. A batch that has begun and that nobody holds; the one that was let go first.
4. A batch that could use one more process; the one that has the fewest.

A batch that has not begun for ten seconds is among the first, too.

Among batches of several priorities the highest level goes first, whichever of the four it comes under: high is 3,
normal 2, low 1, and every minute of waiting raises a batch by one, up to 3. A process gives its lane back only to a
batch of the level of its own, or above it. So nobody is starved: low ones have a turn of two seconds every two minutes
at least.

While everything is paused, no batch has a turn.

A process that is free takes the first of these, whatever message woke it. A process at work looks every half second
whether somebody waits under 1 or 2, and after two seconds also under 3; then it gives its lane back between two chunks
and takes whose turn it is. Nobody has to be told: a message only wakes a process that sleeps.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from heapq import merge
from time import monotonic
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Least

from batches import clock
from batches.compiled_query import CompiledQuery
from batches.lanes import global_pause
from batches.models import Batch, Checkpoint, Transition

logger = logging.getLogger("batches")

LINE = 16
"""Batches that a process asks for at once: it passes over those that others take meanwhile."""
LOOK_UP_EVERY = 0.5
SHARED_SECONDS = 2.0
LONGEST_WAIT = timedelta(seconds=10)
HAS_WORK = """batches_batch.total_items
  > COALESCE((SELECT SUM(succeeded + failed + skipped + quarantined) FROM batches_checkpoint l
              WHERE l.batch_id = batches_batch.id), 0)
  + (SELECT COUNT(*) FROM batches_item i WHERE i.batch_id = batches_batch.id AND i.claimed_at IS NOT NULL)
  + (SELECT COUNT(*) FROM batches_item i
     WHERE i.batch_id = batches_batch.id AND i.status = 'PENDING' AND i.available_at > {now})"""
"""Written out: building this out of expressions takes a process longer than the database takes to answer."""
AGEING = timedelta(minutes=1)
LEVELS = {Batch.Priority.HIGH: 3, Batch.Priority.NORMAL: 2, Batch.Priority.LOW: 1}


def next_batch(but: Collection[str] = ()) -> str | None:
    """The batch whose turn it is, if there is any but those."""
    return next(iter(line(but)), None)


def line(but: Collection[str] = ()) -> list[str]:
    """The batches whose turn it is, but those: the first, and so many that come after it."""
    ranked = has_priorities()
    kinds = [kind(DESERTED, but, 2), kind(NOT_BEGUN if ranked else NOT_BEGUN_OF_NO_PRIORITY, but, 1)]
    if ranked or not any(kinds):
        kinds.append(kind(SHARED, but, 3))
    return list(dict.fromkeys(pk for *_, pk in merge(*kinds)))[:LINE]


def kind(query: CompiledQuery, but: Collection[str], place: int) -> list[tuple[int, int, datetime, str]]:
    """The first batches of one kind, as they compare with those of others: the level first, then the kind's place.

    One that nobody has had for ten seconds stands before all others of its level. It is the first of its kind, as
    waiting never lowers a level.
    """
    return [
        (-level, 0 if is_overdue and place in (1, 2) else place, since, pk)
        for pk, level, since, is_overdue in query.rows(tuple(but))
    ]


def has_priorities() -> bool:
    """Whether any batch that may run now has a priority of its own; without one, what comes first goes first."""
    return any(PRIORITIES.rows())


def not_begun(but: Collection[str] = (), *, ranked: bool = True) -> QuerySet[Any]:
    """Batches that were started, and that no worker has had since; the one that was submitted first.

    Not `ranked`: without levels, which take a look into the history of every one of them. Of batches of one priority
    the first is the same.
    """
    queued = may_be_worked_on(Batch.Status.QUEUED, but)
    started = Transition.objects.filter(batch=OuterRef("pk"), to_status=Batch.Status.QUEUED).order_by("-pk")
    since = Coalesce(Subquery(started.values("at")[:1]), F("created_at"))
    return with_level(with_room(queued), since).order_by(*(["-level"] if ranked else []), "created_at")


def deserted(but: Collection[str] = ()) -> QuerySet[Any]:
    """Batches that have begun, that nobody holds, and that have work; the one that was let go first.

    Its lanes are asked apart: joined, each would be a group of its own, as the clock goes on between their rows.
    """
    lanes = Checkpoint.objects.filter(batch=OuterRef("pk")).order_by().values("batch")
    let_go = Coalesce(Subquery(lanes.annotate(at=Max("saved_at")).values("at")), F("running_since"), F("created_at"))
    batches = working(but).filter(~Exists(held_lanes())).annotate(let_go=let_go)
    return with_level(batches, F("let_go")).order_by("-level", "let_go")


def shared(but: Collection[str] = ()) -> QuerySet[Any]:
    """Batches that have work, and could use one process more than they have; the one that has the fewest first."""
    batches = with_level(with_room(working(but)), F("created_at"), ages=False)
    return batches.order_by("-level", "held", "created_at")


def may_be_worked_on(status: str, but: Collection[str]) -> QuerySet[Any]:
    """Batches of that status which are for workers, but those; none while everything is paused."""
    batches = Batch.objects.filter(~global_pause.is_in_force(), status=status)
    return batches.exclude(processor="").exclude(pk__in=but)


def with_room(batches: QuerySet[Any]) -> QuerySet[Any]:
    """Those that may have one more process; `held` says how many they have."""
    held = held_lanes().order_by().values("batch").annotate(n=Count("pk")).values("n")
    lanes: Any = F("concurrency") if connection.vendor == "postgresql" else Value(1)
    return batches.annotate(held=Coalesce(Subquery(held), 0)).filter(held__lt=lanes)


def base_level() -> Case:
    """Of a batch that has not waited yet: 3, 2 or 1."""
    levels = [When(priority=priority, then=Value(level)) for priority, level in LEVELS.items()]
    return Case(*levels, default=Value(2), output_field=IntegerField())


def with_level(batches: QuerySet[Any], since: Any, *, ages: bool = True) -> QuerySet[Any]:
    """`level` by priority and by how long the batch has waited; `since` when; `is_overdue`: for ten seconds."""
    waited = [When(since__lte=clock.ago(n * AGEING), then=Value(n)) for n in (2, 1)] if ages else []
    more = Case(*waited, default=Value(0), output_field=IntegerField()) if ages else Value(0)
    overdue = ExpressionWrapper(Q(since__lte=clock.ago(LONGEST_WAIT)), output_field=BooleanField())
    return batches.annotate(since=since).annotate(
        level=Least(Value(LEVELS[Batch.Priority.HIGH]), base_level() + more), is_overdue=overdue
    )


def held_lanes() -> QuerySet[Checkpoint]:
    return Checkpoint.objects.filter(batch=OuterRef("pk")).exclude(worker="")


def working(but: Collection[str]) -> QuerySet[Any]:
    """Running batches of which an item could be claimed now. Counted, not looked for among all its items."""
    now, params = ("CLOCK_TIMESTAMP()", []) if connection.vendor == "postgresql" else ("%s", [NOW])
    has_work = RawSQL(HAS_WORK.format(now=now), params, output_field=BooleanField())  # noqa: S611 - our own text
    return may_be_worked_on(Batch.Status.RUNNING, but).filter(has_work)


NOW = clock.MachineTimeAgo(timedelta())


def may_wait() -> bool:
    """Whether the rule is worth a look: a batch has not begun, or it has and nobody holds it."""
    return any(UNHELD.rows())


# -- the questions, of which the SQL is made once ----------------------------------------------------------------------


def firsts(rows: QuerySet[Any]) -> QuerySet[Any, tuple[Any, ...]]:
    return rows.values_list("pk", "level", "since", "is_overdue")[:LINE]


def exists(rows: QuerySet[Any]) -> QuerySet[Any, tuple[Any, ...]]:
    return rows.order_by().values_list("pk")[:1]


def with_priority() -> QuerySet[Batch]:
    return Batch.objects.filter(status__in=Batch.WORKABLE).exclude(priority=Batch.Priority.NORMAL)


def unheld() -> QuerySet[Batch]:
    begun = Q(status=Batch.Status.RUNNING) & ~Exists(held_lanes())
    return Batch.objects.filter(Q(status=Batch.Status.QUEUED) | begun).exclude(processor="")


def at_level_of(batch_ids: list[str], waiting: QuerySet[Any], no_better: list[str]) -> QuerySet[Any, tuple[Any, ...]]:
    """Whether one of those waits that is of the level of that batch or above it, or that batch is not known; but for
    those of the processors `no_better`."""
    level = Subquery(Batch.objects.filter(pk__in=batch_ids).annotate(base=base_level()).values("base"))
    return exists(waiting.exclude(processor__in=no_better).filter(level__gte=Coalesce(level, 0)))


def not_begun_waits(but: list[str], batch_ids: list[str], no_better: list[str]) -> QuerySet[Any, tuple[Any, ...]]:
    return at_level_of(batch_ids, not_begun(but), no_better)


def begun_waits(but: list[str], batch_ids: list[str], no_better: list[str]) -> QuerySet[Any, tuple[Any, ...]]:
    return at_level_of(batch_ids, deserted(but), no_better)


def begun_waits_for_long(but: list[str], batch_ids: list[str], no_better: list[str]) -> QuerySet[Any, tuple[Any, ...]]:
    return at_level_of(batch_ids, deserted(but).filter(let_go__lte=clock.ago(LONGEST_WAIT)), no_better)


DESERTED = CompiledQuery(lambda but: firsts(deserted(but)))
NOT_BEGUN = CompiledQuery(lambda but: firsts(not_begun(but)))
NOT_BEGUN_OF_NO_PRIORITY = CompiledQuery(lambda but: firsts(not_begun(but, ranked=False)))
SHARED = CompiledQuery(lambda but: firsts(shared(but)))
PRIORITIES = CompiledQuery(lambda: exists(with_priority()))
UNHELD = CompiledQuery(lambda: exists(unheld()))
NOT_BEGUN_WAITS = CompiledQuery(not_begun_waits)
BEGUN_WAITS = CompiledQuery(begun_waits)
BEGUN_WAITS_FOR_LONG = CompiledQuery(begun_waits_for_long)


class Turn:
    """A process's turn at a batch: it ends when another batch waits for a process."""

    def __init__(
        self, but: Collection[str] = (), batch_id: str = "", *, is_idle: bool = False, no_better: Collection[str] = ()
    ) -> None:
        """`is_idle`: the process has nothing to do at its batch, and makes nobody wait for two seconds; nor would it at
        batches of the processors `no_better`."""
        self.batch_id, self.but = batch_id, tuple(but)
        self.is_idle, self.no_better = is_idle, tuple(no_better)
        self.began = self.looked_at = monotonic()
        self.over = False

    def is_over(self) -> bool:
        """Whether to give the lane back; asked of the database every half second, outside of any chunk."""
        if not self.over and monotonic() - self.looked_at >= LOOK_UP_EVERY and not connection.in_atomic_block:
            self.looked_at = monotonic()
            self.over = self.somebody_waits()
        return self.over

    def somebody_waits(self) -> bool:
        try:
            return may_wait() and (self.waits(NOT_BEGUN_WAITS) or self.begun_waits())
        except AnyDatabaseError as error:
            logger.info("whose turn it is, is not known: %s", str(error).partition("\n")[0])
            return False

    def begun_waits(self) -> bool:
        """Whether a batch that has begun waits; within the first two seconds, whether one does for too long."""
        is_new = not self.is_idle and monotonic() - self.began < SHARED_SECONDS
        return self.waits(BEGUN_WAITS_FOR_LONG if is_new else BEGUN_WAITS)

    def waits(self, query: CompiledQuery) -> bool:
        return any(query.rows(self.but, (self.batch_id,), self.no_better))
