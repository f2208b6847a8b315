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
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from types import FrameType
from typing import Any

from celery import shared_task
from celery.signals import beat_embedded_init, celeryd_init, worker_process_init, worker_ready, worker_shutting_down
from django.db import Error as AnyDatabaseError
from django.db import InterfaceError, connection
from django.db import OperationalError as DatabaseUnavailable

from batches.conf import settings
from batches.engine import declining, expiry, presence, rehearsals, runner, slices, turns
from batches.engine.database_errors import first_line
from batches.lanes import counters
from batches.lifecycle import deliveries, removals, retention, samples
from batches.no_room import has_no_room
from batches.waking import HINT_EXPIRES_AFTER, enqueue_rehearsal, enqueue_slice, sweep_now

logger = logging.getLogger("batches")

PR_SET_PDEATHSIG = 1
SECONDS_TO_REPORT = 0.5
LOOK_AT_BEAT_EVERY = 2.0  # seconds
SWEEP_EVERY = 2.0  # seconds
AFTER_FULL_DISK = 10.0
"""Seconds without a sweep: once there is room, who still holds a lane writes first, and is taken for no dead worker."""

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
    """Work on whatever has its turn for a while, then queue up behind the others.

    The batch and lane that the message names were the reason to send it; which to work on the database says.
    """
    with database_may_be_away(), _Termination.deferred():
        presence.CeleryWorker.register()
        work_in_turn()


def work_in_turn() -> None:
    """Turn after turn, for as long as a message may last; who still has work then gets another message.

    Whoever comes second at a batch goes on to the next in line; what was `lost` so may be had after the next turn.
    """
    until, fruitless, lost = monotonic() + runner.SLICE_SECONDS, set[str](), set[str]()
    try:
        while line := next_in_line(fruitless | lost):
            if monotonic() >= until:
                return enqueue_slice(line[0], 0)
            for slice_ in slices_in_line(line, until, lost):
                turn = turns.Turn(fruitless, slice_.batch.pk)
                slice_.gives_way = turn.is_over
                runner.work_through(slice_)
                lost &= declining.by_this_process
                counters.flush_if_due()
                if not slice_.tally:
                    fruitless.add(slice_.batch.pk)
    finally:
        counters.flush()
    return None


def next_in_line(but: Collection[str]) -> list[str]:
    return [] if should_stop() else turns.line(but)


def slices_in_line(line: list[str], until: float, lost: set[str]) -> Iterator[slices.Slice]:
    """A slice of the first batch in line of which this process gets a lane; those before it are `lost`. Then of those
    behind it, as long as nobody else has begun them, for half a second: a process at work looks no more often whether
    somebody else goes first."""
    asked_at, is_behind = monotonic(), False
    for batch_id in line:
        if is_behind and (should_stop() or monotonic() >= min(until, asked_at + turns.LOOK_UP_EVERY)):
            return
        seconds = until - monotonic()
        slice_ = slices.take_slice(batch_id, None, seconds, should_stop, expendable=True, unbegun=is_behind)
        if slice_ is not None:
            is_behind = True
            yield slice_
        elif is_behind:
            return
        else:
            lost.add(batch_id)


@shared_task(name="batches.tasks.run_rehearsal", ignore_result=True)
def run_rehearsal(pk: int) -> None:
    """Work on that rehearsal for a while, then queue up behind the others."""
    with database_may_be_away(), _Termination.deferred():
        if rehearsals.work(pk, should_stop=should_stop, expendable=True) and not should_stop():
            enqueue_rehearsal(pk)


@shared_task(name="batches.tasks.sweep", ignore_result=True)
def sweep() -> None:
    """Make true what the database says should be, unless somebody just did: the beat's process does so without a
    message, as workers may all be busy."""
    with database_may_be_away():
        presence.CeleryWorker.register()
        if not counters.heard_within(counters.SWEEP, 2 * SWEEP_EVERY):
            sweep_now()


def keep_sweeping() -> None:
    """For a thread of the beat's process, as long as it lives."""
    while True:
        pause = SWEEP_EVERY
        try:
            sweep_now()
        except AnyDatabaseError as error:
            logger.warning("no sweep, the next one will be: %s", first_line(error))
            connection.close()
            pause = AFTER_FULL_DISK if has_no_room(error) else SWEEP_EVERY
        except Exception:
            logger.exception("no sweep, and the next one will be")
        sleep(pause)


def sweep_in_background() -> None:
    threading.Thread(target=keep_sweeping, name="sweep", daemon=True).start()


@shared_task(name="batches.tasks.clean_up", ignore_result=True)
def clean_up() -> None:
    """Forget what has expired or was long ago."""
    with database_may_be_away():
        expiry.forget_expired()


@shared_task(name="batches.tasks.retain", ignore_result=True)
def retain() -> None:
    """Archive and delete what the rules of retention say."""
    with database_may_be_away():
        retention.run()


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
    sweep_in_background()
    deliveries.send_in_background()
    removals.remove_in_background()


@worker_process_init.connect
def begin_child(**kwargs: Any) -> None:
    """The pool replaces a dead child at once, and the new one frees the dead one's lane."""
    die_with_parent()
    limit_memory()
    signal.signal(signal.SIGTERM, _Termination.request)
    try:
        presence.CeleryWorker.register()
        sweep_now()
    except AnyDatabaseError as error:
        logger.warning("no sweep at the start of a worker process: %s", error)
