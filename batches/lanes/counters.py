"""What workers count for `/metrics`: in memory while they work, added to the database between their slices, once a
second at most where those are short.

So counting never holds up a chunk. A process that is killed takes with it what it counted since then; its death is
counted by the worker that takes over.
"""

from __future__ import annotations

import logging
import os
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from time import monotonic

from django.db import Error as AnyDatabaseError
from django.db import connection
from django.utils import timezone

from batches.clock import now_sql
from batches.models import Tally

logger = logging.getLogger("batches")

BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0, 120.0, float("inf"))
"""Upper bounds of a histogram's buckets, in seconds."""
BOUNDS = tuple(f"{bound:g}" for bound in BUCKETS)
ADD = """
    INSERT INTO batches_tally (name, labels, count, at) VALUES {rows}
    ON CONFLICT (name, labels) DO UPDATE SET count = batches_tally.count + excluded.count, at = excluded.at
"""

_lock = threading.Lock()
_pending: Counter[tuple[str, str]] = Counter()
_observed: dict[tuple[str, str], list[float]] = {}
_owner = os.getpid()
_flushed_at = float("-inf")
FLUSH_EVERY = 1.0  # seconds
OBSERVATIONS_KEPT = 1_000  # durations of one histogram, before they are sorted into its buckets


def add(name: str, *labels: str, by: float = 1) -> None:
    """Count `by` more under a name and its labels."""
    _add({(name, label_text(labels)): by})


def observe(name: str, *labels: str, seconds: Sequence[float]) -> None:
    """Count durations, in seconds, in a histogram's buckets, and their sum."""
    key = name, label_text(labels)
    with _lock:
        _forget_parents_counts()
        seen = _observed.setdefault(key, [])
        seen.extend(seconds)
    if len(seen) > OBSERVATIONS_KEPT:
        _sort_into_buckets()


def _sort_into_buckets() -> None:
    """Count the durations kept so far by bucket: rarely, since chunks are many."""
    with _lock:
        _forget_parents_counts()
        observed = dict(_observed)
        _observed.clear()
    for (name, labels), seconds in observed.items():
        buckets = Counter([bisect_left(BUCKETS, duration) for duration in seconds])
        counted: dict[tuple[str, str], float] = {}
        for bucket, count in buckets.items():
            counted[f"{name}_bucket", label_text(filter(None, (labels, BOUNDS[bucket])))] = count
        counted[f"{name}_sum", labels] = sum(max(0.0, duration) for duration in seconds)
        _add(counted)


def label_text(labels: Iterable[str]) -> str:
    return "\t".join(labels)[:200]


def _add(counted: Mapping[tuple[str, str], float]) -> None:
    with _lock:
        _forget_parents_counts()
        _pending.update(counted)  # type: ignore[arg-type]


def _forget_parents_counts() -> None:
    """After a fork: the counts of the parent process are the parent's to write."""
    global _owner
    if _owner != os.getpid():
        _pending.clear()
        _observed.clear()
        _owner = os.getpid()


def flush_if_due() -> None:
    """The same as `flush`, unless this process has done so within a second."""
    if monotonic() >= _flushed_at + FLUSH_EVERY:
        flush()


def flush() -> None:
    """Add what this process has counted to the database; outside of any transaction that matters."""
    global _flushed_at
    _flushed_at = monotonic()
    _sort_into_buckets()
    with _lock:
        counted = {} if _owner != os.getpid() else dict(sorted(_pending.items()))
        _pending.clear()
    if not counted:
        return
    now = timezone.now()
    values = [value for (name, labels), count in counted.items() for value in (name, labels, float(count), now)]
    try:
        with connection.cursor() as cursor:  # alone: who is frozen between two statements would hold up all others
            cursor.execute(ADD.format(rows=", ".join(["(%s, %s, %s, %s)"] * len(counted))), values)
    except AnyDatabaseError as error:
        logger.info("counts are kept for the next time: %s", str(error).partition("\n")[0])
        _add(counted)


WORKER, SENDER, SWEEP = "heartbeat", "sender_heartbeat", "sweep"
"""The tallies that say when a host's beat, its sender of deliveries, and its sweep were last at work."""


def record_heartbeat(host: str, name: str = WORKER) -> None:
    """Note that the beat of a worker on that host, or what that name stands for, is alive."""
    Tally.objects.update_or_create(name=name, labels=host, defaults={"at": now_sql()})


def heard_within(name: str, seconds: float) -> bool:
    """Whether any host's heartbeat of that name is so recent."""
    return Tally.objects.filter(name=name, at__gt=now_sql() - timedelta(seconds=seconds)).exists()
