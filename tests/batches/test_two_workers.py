"""Who runs first, and when, held by two worker processes side by side on PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
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


def untouched(batch: Batch) -> bool:
    return set(statuses(batch)) == {"PENDING"}


def test_both_take_what_is_of_high_priority_and_leave_it_for_what_has_waited(start: Start, tmp_path: Path) -> None:
    """The low one waits while the high one runs, and has its turn once it has waited for two minutes; the normal one
    has not."""
    low, normal = queued(modes("ok", "ok"), priority="low"), queued(modes("ok", "ok"))
    rows = [*modes("meet", "meet", place=str(tmp_path), others=3), *modes(*["sleep"] * 2_000, seconds=0.02)]
    high = queued(rows, priority="high", concurrency=2)
    workers = [start(WORKS) for _ in range(2)]
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    assert Checkpoint.objects.filter(batch=high).exclude(worker="").count() == 2
    assert untouched(low)
    low.transitions.filter(to_status="QUEUED").update(at=timezone.now() - timedelta(seconds=121))
    (tmp_path / "go").touch()
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
