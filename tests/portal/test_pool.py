"""The worker's pool of processes."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

from billiard.pool import RUN, TERMINATE
from celery.concurrency import get_implementation

from batches import tasks
from batchportal import pool
from batchportal.celery import app


def test_it_is_the_pool_that_workers_use() -> None:
    assert get_implementation(app.conf.worker_pool) is pool.Processes


def test_it_looks_for_the_dead_more_than_once_a_second() -> None:
    assert all(seconds < 1 for seconds in pool.AttentivePool.timers.fget(SimpleNamespace(maintain_pool=print)).values())


def test_it_looks_until_the_pool_ends(monkeypatch: Any) -> None:
    looked: list[float] = []
    kept = SimpleNamespace(_state=RUN, _maintain_pool=lambda: looked.append(1))

    def rest(seconds: float) -> None:
        if len(looked) == 3:
            kept._state = TERMINATE

    monkeypatch.setattr(pool, "sleep", rest)
    pool.AttentiveSupervisor(kept).body()
    assert len(looked) == 3


def test_it_ends_the_worker_whose_beat_has_died(monkeypatch: Any) -> None:
    alive, sent = iter([True, True, False]), []
    monkeypatch.setattr(tasks, "sleep", lambda seconds: None)
    monkeypatch.setattr(tasks.os, "kill", lambda pid, signum: sent.append(signum))
    tasks.end_when_beat_dies(SimpleNamespace(is_alive=lambda: next(alive)))
    assert sent == [signal.SIGTERM]


def test_its_beat_keeps_no_file_that_a_crash_could_tear() -> None:
    assert app.conf.beat_scheduler == "celery.beat:Scheduler"
