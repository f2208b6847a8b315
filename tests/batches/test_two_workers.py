"""Who runs first, and when, held by two worker processes side by side on PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from batches import operations
from batches.models import Batch, Checkpoint
from tests.helpers.batches import modes, statuses, submitted
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("engine")
Start = Callable[..., subprocess.Popen[str]]
WORKS = """
from batches import tasks
from batches.engine import turns
tasks.sweep_now()
while turns.next_batch():
    tasks.work_in_turn()
"""


@pytest.fixture
def start(in_process: Start) -> Start:
    if connection.vendor == "sqlite":
        pytest.skip("one writer, one lane")
    return in_process


def queued(rows: list[dict[str, Any]], **options: Any) -> Batch:
    return operations.start(submitted(rows, checkpoint_every=1, **options).pk)


def holders(batch: Batch) -> int:
    return Checkpoint.objects.filter(batch=batch).exclude(worker="").values("worker").distinct().count()


def waiting_since(batch: Batch, seconds: float) -> None:
    at = timezone.now() - timedelta(seconds=seconds)
    batch.transitions.filter(to_status="QUEUED").update(at=at)


def untouched(batch: Batch) -> bool:
    return set(statuses(batch)) == {"PENDING"}


@pytest.mark.full
def test_both_take_what_is_of_high_priority_and_leave_it_for_what_has_waited(start: Start) -> None:
    """The low one waits while the high one runs, and has its turn once it has waited for two minutes; the normal one
    has not, however long the processes take to start. The high one has work for minutes."""
    low, normal = queued(modes("ok", "ok"), priority="low"), queued(modes("ok", "ok"))
    high = queued(modes(*["sleep"] * 3_000, seconds=0.2), priority="high", concurrency=2)
    for each in (low, normal, high):
        waiting_since(each, seconds=-300)
    workers = [start(WORKS) for _ in range(2)]
    wait_until(lambda: holders(high) == 2)
    assert untouched(low)
    waiting_since(low, seconds=121)
    wait_until(lambda: statuses(low) == ["SUCCEEDED", "SUCCEEDED"])
    assert operations.get_batch(high.pk).status == "RUNNING"
    assert untouched(normal)
    operations.cancel(high.pk)
    output = [worker.communicate(timeout=PATIENCE) for worker in workers]
    assert statuses(normal) == ["SUCCEEDED", "SUCCEEDED"], output


@pytest.mark.full
def test_a_batch_that_is_due_while_nobody_works_is_started_once_and_says_how_late(start: Start) -> None:
    batch = submitted(modes(*["ok"] * 20), start_at=timezone.now() + timedelta(days=1))
    Batch.objects.filter(pk=batch.pk).update(start_at=timezone.now() - timedelta(hours=3))
    workers = [start(WORKS) for _ in range(2)]
    output = [worker.communicate(timeout=PATIENCE) for worker in workers]
    assert statuses(batch) == ["SUCCEEDED"] * 20, output
    starts = batch.transitions.filter(verb="start").values_list("actor", "reason")
    assert list(starts) == [("schedule", "Started 3h late: the portal was down or busy when it was to start.")]
    assert operations.verify(batch.pk) == []
