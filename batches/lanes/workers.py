"""Which workers live: each has a row, and a heart that says so every 2 s, by the database's clock.

A worker that was not heard of for 7 s counts as dead here, and one whose process has ended on this machine at once.
That is for people, who want to know whether anybody works, and for who may run what. It takes no lane from anybody:
that is for leases and fences.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.db.models import BooleanField, ExpressionWrapper, Q

from batches import worker_names
from batches.clock import now_sql
from batches.extensions import Extension, Notice
from batches.models import Batch, Checkpoint, Worker
from batches.wording import quantity

BEAT_EVERY = 2.0  # seconds
SILENT_AFTER = timedelta(seconds=7)
REMEMBERED = timedelta(minutes=10)
DECLINED_KEPT = 50
FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Presence:
    """Which workers live, by name, which were heard of within ten minutes and do not, and when the last was heard."""

    alive: frozenset[str]
    silent: frozenset[str]
    last_heard_at: datetime | None = None

    @property
    def anybody(self) -> bool:
        """Whether any worker lives."""
        return bool(self.alive)

    def has_lost(self, worker: str) -> bool:
        """Whether that worker is known and does not live."""
        return worker in self.silent


NOBODY = Presence(frozenset(), frozenset())


def presence() -> Presence:
    """Who lives at this moment, in one query; in two when nobody does."""
    rows = Worker.objects.filter(heard_at__gt=now_sql() - REMEMBERED).order_by()
    heard = list(rows.annotate(recent=heard_recently()).values_list("name", "recent", "heard_at"))
    alive = frozenset(name for name, recent, _ in heard if recent and not worker_names.is_dead(name))
    last = max((at for _, _, at in heard), default=None) or (None if alive else last_heard_at())
    return Presence(alive, frozenset(name for name, *_ in heard) - alive, last)


def heard_recently() -> ExpressionWrapper:
    return ExpressionWrapper(Q(heard_at__gt=now_sql() - SILENT_AFTER), output_field=BooleanField())


def last_heard_at() -> datetime | None:
    """When the last worker was heard of, if that was within a day."""
    return Worker.objects.order_by("-heard_at").values_list("heard_at", flat=True).first()


def is_alive(worker: str) -> bool:
    """Whether the worker of that name lives."""
    return worker in presence().alive


def decline(batch_id: str, reason: str) -> None:
    """Write into this process's row, if it has one, that it leaves the batch to others, and why."""
    row = Worker.objects.filter(name=worker_names.worker_name()).first()
    if row is not None and row.declined.get(batch_id) != reason:
        latest = dict(list(row.declined.items())[1 - DECLINED_KEPT :])
        Worker.objects.filter(pk=row.pk).update(declined=latest | {batch_id: reason})


def accept(batch_id: str) -> None:
    """Take back what `decline` wrote."""
    row = Worker.objects.filter(name=worker_names.worker_name(), declined__has_key=batch_id).first()
    if row is not None:
        row.declined.pop(batch_id)
        Worker.objects.filter(pk=row.pk).update(declined=row.declined)


def could_run(batch: Batch, only: Iterable[str] | None = None) -> bool:
    """Whether a worker that was heard of within ten minutes knows the batch's processor, and has not declined it;
    with `only`, one of those names."""
    heard = Worker.objects.filter(heard_at__gt=now_sql() - REMEMBERED)
    if only is not None:
        heard = heard.filter(name__in=list(only))
    rows = heard.values_list("processors", "declined")
    return any(batch.processor in processors and batch.pk not in declined for processors, declined in rows)


class Declined:
    """Why workers heard of within ten minutes leave batches to others, those heard of last first: one query, when it
    is first asked."""

    @cached_property
    def reasons(self) -> Mapping[str, str]:
        heard = Worker.objects.filter(heard_at__gt=now_sql() - REMEMBERED).exclude(declined={})
        return ChainMap(*heard.order_by("-heard_at").values_list("declined", flat=True))

    def why(self, batch_id: str) -> str:
        """Empty for a batch that none leaves."""
        return self.reasons.get(batch_id, "")


def sleepers() -> int:
    """How many workers that live hold no lane."""
    return len(
        presence().alive - set(Checkpoint.objects.exclude(worker="").values_list("worker", flat=True).distinct())
    )


def register(code: str, processors: dict[str, str]) -> None:
    """Write that this process works from now on, with that code."""
    name, now = worker_names.worker_name(), now_sql()
    values = {"host": name.split(":")[0], "code": code, "processors": processors, "heard_at": now}
    Worker.objects.update_or_create(name=name, defaults=values, create_defaults={**values, "started_at": now})


def vouch() -> int:
    """Write that the workers of this origin which run were heard of just now, but for frozen ones; how many those are.

    One process does so for all of them: a worker may be busy with one instruction for long.
    """
    here = Worker.objects.filter(name__contains=worker_names.of_this_origin())
    return hear_of([name for name in here.values_list("name", flat=True) if worker_names.is_running(name)])


def hear_of(names: Iterable[str]) -> int:
    return Worker.objects.filter(name__in=list(names)).update(heard_at=now_sql())


def leave() -> None:
    """This process has done its work: its row goes, unless it holds a lane, or says why it left a batch to others."""
    name = worker_names.worker_name()
    if not Checkpoint.objects.filter(worker=name).exists():
        Worker.objects.filter(name=name, declined={}).delete()


def notices() -> list[Notice]:
    """That no worker lives, if so, since when, and how many batches wait for one."""
    present = presence()
    if present.anybody:
        return []
    waiting = Batch.objects.filter(status__in=Batch.ACTIVE).exclude(processor="").count()
    batches = f" {quantity(waiting, 'batch waits', 'batches wait')}." if waiting else ""
    if present.last_heard_at is None:
        return [Notice(f"No worker is running.{batches}")] if waiting else []
    last = Worker.objects.order_by("-heard_at").first()
    host = f" (last: {last.host})" if last else ""
    return [Notice("No worker since", present.last_heard_at, f"{host}.{batches}")]


EXTENSION = Extension(name="workers", notices=notices)


def forget_dead() -> int:
    """Remove the rows of workers that were not heard of for a day; returns how many."""
    return Worker.objects.filter(heard_at__lt=now_sql() - FORGOTTEN_AFTER).delete()[0]
