"""The Celery door: a message is a hint that a lane has work for one time slice. The sweep repeats what got lost."""

from __future__ import annotations

import ctypes
import logging
import mmap
import os
import resource
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from types import FrameType
from typing import Any

from celery import current_app, shared_task
from celery.signals import beat_embedded_init, celeryd_init, worker_process_init, worker_ready, worker_shutting_down
from django.db import DatabaseError, InterfaceError, connection
from django.db import OperationalError as DatabaseUnavailable
from django.db.models import Q
from kombu.exceptions import OperationalError

from batches import clock, idempotency_manager
from batches.conf import settings
from batches.engine import presence, rehearsals, runner
from batches.engine.database_errors import first_line
from batches.intake import fixes
from batches.lanes import counters, leases, workers
from batches.lifecycle import deliveries, samples, signing_secrets, transitions
from batches.models import Batch, Checkpoint, Item

logger = logging.getLogger("batches")

HINT_EXPIRES_AFTER = 15  # seconds; the next sweep sends another
PR_SET_PDEATHSIG = 1
SECONDS_TO_REPORT = 0.5
LOOK_AT_BEAT_EVERY = 2.0  # seconds

_stop = mmap.mmap(-1, 1)
"""Shared with the pool's children, which are forked after import: not 0 when the parent wants them to stop."""


@contextmanager
def database_may_be_away() -> Iterator[None]:
    """Log that the database is away, and let it be: the next sweep finds everything as it was."""
    try:
        yield
    except (DatabaseUnavailable, InterfaceError) as error:
        logger.warning("the database is away: %s", first_line(error))
        connection.close()


@shared_task(name="batches.tasks.run_slice", ignore_result=True)
def run_slice(batch_id: str, lane: int) -> None:
    """Work on one lane of the batch for a while, then queue up behind the others."""
    with database_may_be_away(), _Termination.deferred():
        presence.CeleryWorker.register()
        if not Batch.objects.filter(pk=batch_id).exists():
            return
        neglected = neglected_batch(batch_id)
        if neglected is not None:
            work_on_lane(neglected, None)
        if not should_stop():
            work_on_lane(batch_id, lane)


def work_on_lane(batch_id: str, lane: int | None) -> None:
    unfinished = runner.work_slice(batch_id, lane, should_stop=should_stop, expendable=True)
    if unfinished and not should_stop() and lane is not None:
        enqueue_slice(batch_id, lane)


def neglected_batch(batch_id: str) -> str | None:
    """An active batch that no worker has, while this one has a worker already: it goes first, whatever was sent.

    A batch of many lanes sends many messages; without this the single one of a small batch would wait behind them.
    """
    held = Checkpoint.objects.exclude(worker="").values("batch_id")
    if not held.filter(batch=batch_id).exists():
        return None
    active = Batch.objects.filter(status__in=(Batch.Status.QUEUED, Batch.Status.RUNNING)).exclude(processor="")
    waiting = active.exclude(pk__in=held).order_by("created_at").values_list("pk", flat=True)
    return next((pk for pk in waiting[:20] if has_work(pk)), None)


@shared_task(name="batches.tasks.run_rehearsal", ignore_result=True)
def run_rehearsal(pk: int) -> None:
    """Work on that rehearsal for a while, then queue up behind the others."""
    with database_may_be_away(), _Termination.deferred():
        if rehearsals.work(pk, should_stop=should_stop, expendable=True) and not should_stop():
            enqueue_rehearsal(pk)


def enqueue_rehearsal(pk: int) -> None:
    """Ask a worker to go on with that rehearsal; the sweep repeats it."""
    enqueue(run_rehearsal, pk)


@shared_task(name="batches.tasks.sweep", ignore_result=True)
def sweep() -> None:
    """Every few seconds, and at worker start: make true what the database says should be."""
    with database_may_be_away():
        sweep_now()


@shared_task(name="batches.tasks.clean_up", ignore_result=True)
def clean_up() -> None:
    """Forget what has expired or was long ago: idempotency rows, uploads, samples, deliveries, secrets, workers."""
    with database_may_be_away():
        idempotency_manager.cleanup_expired()
        fixes.forget_expired()
        samples.thin_out()
        deliveries.forget_old()
        signing_secrets.forget_previous()
        signing_secrets.reencrypt()
        workers.forget_dead()


def sweep_now() -> None:
    """Free the lanes of the dead, settle batches, wake what should run."""
    presence.CeleryWorker.register()
    leases.expire_dead_workers()
    leases.revoke_expired()
    scripts_own = Q(processor="") & ~Q(status__in=(Batch.Status.PAUSING, Batch.Status.CANCELLING))
    for batch in Batch.objects.filter(status__in=Batch.ACTIVE).exclude(scripts_own):
        transitions.settle(batch.pk)
        wake(batch.pk)
    for pk in rehearsals.unheld().values_list("pk", flat=True):
        enqueue_rehearsal(pk)
    counters.flush()


def wake(batch_id: str) -> None:
    """Send a message for every free lane of a batch that has something to do now."""
    batch = Batch.objects.filter(pk=batch_id, status__in=(Batch.Status.QUEUED, Batch.Status.RUNNING)).first()
    if batch is None or not batch.processor:
        return
    leases.ensure_lanes(batch)
    if batch.status == Batch.Status.RUNNING and not has_work(batch):
        return
    for lane in leases.free_lanes(batch).order_by("lane").values_list("lane", flat=True):
        enqueue_slice(batch_id, lane)


def has_work(batch: Batch | str) -> bool:
    """Whether an item of the batch could be claimed at this moment, or soon."""
    pending = Item.objects.filter(batch=batch, status=Item.Status.PENDING)
    return pending.filter(Q(available_at__isnull=True) | Q(available_at__lte=clock.now_sql())).exists()


def enqueue_slice(batch_id: str, lane: int) -> None:
    """Ask a worker to take that lane for a slice."""
    enqueue(run_slice, batch_id, lane)


def enqueue(task: Any, *arguments: Any) -> None:
    """Enqueue a task; where the broker is away, the next sweep does it again."""
    enqueue_by_name(task.name, *arguments)


def enqueue_by_name(name: str, *arguments: Any) -> None:
    """Enqueue the task of that name, for rooms that must not know the tasks, which call them."""
    try:
        current_app.send_task(name, arguments, expires=HINT_EXPIRES_AFTER, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("no message to the workers about %s, the sweep will repeat it: %s", arguments, error)


def should_stop() -> bool:
    """Whether this process is to end: by the pool's parent, or by SIGTERM."""
    return _stop[0] != 0 or _Termination.requested


class _Termination:
    """SIGTERM to a pool's child: the slice ends at its next item, its chunk commits, then the child goes."""

    requested = False
    working = False

    @classmethod
    @contextmanager
    def deferred(cls) -> Iterator[None]:
        cls.working = True
        try:
            yield
        finally:
            cls.working = False
            if cls.requested:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                threading.Timer(SECONDS_TO_REPORT, os.kill, (os.getpid(), signal.SIGTERM)).start()

    @classmethod
    def request(cls, signum: int, frame: FrameType | None) -> None:
        cls.requested = True
        if not cls.working:
            raise SystemExit


termination_deferred = _Termination.deferred


@worker_shutting_down.connect
def tell_children_to_stop(**kwargs: Any) -> None:
    _stop[0] = 1


@celeryd_init.connect
def note_worker(options: dict[str, Any] | None = None, **kwargs: Any) -> None:
    """Processes that are forked later know whose they are."""
    presence.CeleryWorker.is_here = True
    presence.CeleryWorker.has_beat = bool((options or {}).get("beat"))


@worker_ready.connect
def sweep_at_start(**kwargs: Any) -> None:
    sweep.apply_async(expires=HINT_EXPIRES_AFTER)


@worker_ready.connect
def watch_beat(sender: Any = None, **kwargs: Any) -> None:
    beat = getattr(getattr(sender, "controller", None), "beat", None)
    if beat is not None:
        threading.Thread(target=end_when_beat_dies, args=(beat,), name="beat-watch", daemon=True).start()


def end_when_beat_dies(beat: Any) -> None:
    """A worker whose beat has died neither sweeps nor sends mail: it ends, and its keeper starts another."""
    while not should_stop():
        if not beat.is_alive():
            logger.error("the beat has died; the worker ends, to be started again with a new one")
            os.kill(os.getpid(), signal.SIGTERM)
            return
        sleep(LOOK_AT_BEAT_EVERY)


@beat_embedded_init.connect
def die_with_parent(**kwargs: Any) -> None:
    """A child must not outlive a worker that was killed."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def limit_memory() -> None:
    """An item that floods memory gets a `MemoryError`, instead of taking the machine with it."""
    if settings.PORTAL_WORKER_MEMORY_MB and sys.platform == "linux":
        limit = settings.PORTAL_WORKER_MEMORY_MB * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@beat_embedded_init.connect
def begin_beat(**kwargs: Any) -> None:
    """The beat's process is one a worker, and always idle: what needs a clock of its own lives there."""
    samples.sample_in_background()
    presence.vouch_in_background()
    deliveries.send_in_background()


@worker_process_init.connect
def begin_child(**kwargs: Any) -> None:
    """The pool replaces a dead child at once, and the new one frees the dead one's lane."""
    die_with_parent()
    limit_memory()
    signal.signal(signal.SIGTERM, _Termination.request)
    try:
        sweep_now()
    except DatabaseError as error:
        logger.warning("no sweep at the start of a worker process: %s", error)
