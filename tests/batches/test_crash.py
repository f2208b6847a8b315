"""Workers that die, freeze or come back late: real processes on the test's database."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from batches import operations, processors
from batches.engine import runner, slices
from batches.exceptions import LeaseLost
from batches.lanes import leases
from batches.models import Batch, Checkpoint, IdempotencyRecord, Item
from batches.processors.parameters import Params
from tests.helpers.batches import item, modes, ran, statuses, submitted
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("engine")
Start = Callable[..., subprocess.Popen[str]]

WORK = "import sys; from batches.engine import runner; print('up', flush=True); runner.work_until_idle(sys.argv[1])"
SLICES = "import sys; from batches.engine import runner; runner.work_until_idle(sys.argv[1])"


def done(batch: Batch) -> int:
    return Item.objects.filter(batch=batch, status="SUCCEEDED").count()


def effects(batch: Batch) -> int:
    return Group.objects.filter(name__startswith=f"{batch.pk}/").count()


@pytest.mark.full
def test_it_loses_and_doubles_nothing_when_workers_are_killed(in_process: Start) -> None:
    batch = submitted(modes(*["sleep"] * 120, effect=True, seconds=0.005))
    operations.start(batch.pk)
    for kill in range(1, 6):
        worker = in_process(WORK, batch.pk)
        wait_until(lambda kill=kill: done(batch) >= kill * 15)  # type: ignore[misc]
        os.kill(worker.pid, signal.SIGKILL)
        worker.communicate()
        assert operations.verify(batch.pk) == []
        assert effects(batch) == done(batch)
    worker = in_process(WORK, batch.pk)
    _, errors = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, errors
    assert set(statuses(batch)) == {"SUCCEEDED"}
    assert effects(batch) == 120
    assert operations.verify(batch.pk) == []
    assert operations.get_batch(batch.pk).status == "COMPLETED"


@pytest.mark.full
def test_it_sets_an_item_aside_that_kills_its_workers(in_process: Start) -> None:
    batch = submitted(modes("ok", "ok", "die", "ok", "ok", effect=True))
    operations.start(batch.pk)
    deaths = 0
    while operations.get_batch(batch.pk).status in Batch.ACTIVE and deaths < 10:
        worker = in_process(SLICES, batch.pk)
        worker.communicate(timeout=PATIENCE)
        deaths += worker.returncode != 0
    assert deaths == 3
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED", "QUARANTINED", "SUCCEEDED", "SUCCEEDED"]
    assert item(batch, 2).code == "WORKER_CRASH"
    assert effects(batch) == 4
    assert operations.verify(batch.pk) == []


def test_it_refuses_the_commit_of_a_worker_that_was_taken_over() -> None:
    batch = operations.start(submitted(modes(*["ok"] * 10, effect=True)).pk)
    lease = slices.take_lane(batch, None)
    assert lease is not None
    processor = processors.get(batch.processor)
    slice_ = slices.open_slice(operations.get_batch(batch.pk), processor, Params(), lease, time.monotonic() + 60)
    process = runner.process_items

    def freeze(slice_: slices.Slice, items: Any) -> Any:
        outcomes = process(slice_, items)
        if connection.vendor == "postgresql":  # somebody else raises the fence meanwhile
            import psycopg2

            other = psycopg2.connect(**connection.get_connection_params() | {"cursor_factory": None})
            other.autocommit = True
            with other.cursor() as cursor:
                raise_fence = "UPDATE batches_checkpoint SET fence = fence + 1, worker = '' WHERE id = %s"
                cursor.execute(raise_fence, [lease.checkpoint_id])
            other.close()
        else:
            lease.fence -= 1
        return outcomes

    runner.process_items = freeze  # type: ignore[assignment]
    try:
        with pytest.raises(LeaseLost):
            runner.run_chunk(slice_)
    finally:
        runner.process_items = process
    assert effects(batch) == 0
    assert IdempotencyRecord.objects.count() == 0
    assert set(statuses(batch)) == {"PENDING"}


def test_it_takes_over_a_lane_whose_lease_ran_out_and_goes_carefully() -> None:
    batch = submitted(modes(*["ok"] * 30))
    operations.start(batch.pk)
    lease = slices.take_lane(batch, None)
    assert lease is not None
    Checkpoint.objects.filter(pk=lease.checkpoint_id).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert leases.revoke_expired(batch.pk) == 1
    row = Checkpoint.objects.get(pk=lease.checkpoint_id)
    assert (row.fence, row.worker, row.careful) == (lease.fence + 1, "", 10)
    runner.work_until_idle(batch.pk)
    assert set(statuses(batch)) == {"SUCCEEDED"}
    assert operations.verify(batch.pk) == []


def test_it_lets_one_lane_be_held_by_one_worker_only() -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk)
    leases.ensure_lanes(batch)
    batch.refresh_from_db()
    assert leases.take(batch, 0) is not None
    assert leases.take(batch, 0) is None


@pytest.mark.full_on("sqlite")
def test_it_frees_the_lanes_of_dead_workers_of_this_host_at_once(in_process: Start) -> None:
    batch = submitted(modes("sleep", seconds=60), item_timeout=39)
    operations.start(batch.pk)
    worker = in_process(WORK, batch.pk)
    wait_until(lambda: Checkpoint.objects.filter(batch=batch).exclude(worker="").exists())
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    assert leases.expire_dead_workers() == 1
    assert leases.revoke_expired(batch.pk) == 1


@pytest.mark.full_on("sqlite")
def test_it_lets_two_processes_that_call_at_once_run_an_operation_once(in_process: Start) -> None:
    source = """
import sys, time
from batches import idempotency_manager
from batches.idempotency_manager import idempotent_operation
from django.contrib.auth.models import Group
from batches.exceptions import OperationInProgress
@idempotent_operation(idempotency_manager, "batch_1", "item_1", "process")
def once(data):
    Group.objects.create(name="effect")
    time.sleep(0.3)
    return {"by": data}
print(once(1))
"""
    both = [in_process(source) for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert Group.objects.filter(name="effect").count() == 1


@pytest.mark.full
def test_it_shares_a_batch_between_lanes_without_doing_an_item_twice(in_process: Start, tmp_path: Path) -> None:
    """The first of each lane's items wait for one another, so that no worker is too late to get any."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite runs one lane at a time")
    items = modes(*["meet"] * 30, *["ok"] * 170, effect=True, place=str(tmp_path), others=3)
    batch = submitted(items, concurrency=3, item_timeout=39)
    operations.start(batch.pk)
    workers = [in_process(WORK, batch.pk) for _ in range(3)]
    for worker in workers:
        _, errors = worker.communicate(timeout=PATIENCE)
        assert worker.returncode == 0, errors
    assert effects(batch) == 200
    assert operations.verify(batch.pk) == []
    assert Checkpoint.objects.filter(batch=batch, succeeded__gt=0).count() == 3


@pytest.mark.full_on("sqlite")
def test_it_pauses_between_chunks_and_does_nothing_after(in_process: Start) -> None:
    batch = submitted(modes(*["sleep"] * 3000, effect=True, seconds=0.01))
    operations.start(batch.pk)
    worker = in_process(WORK, batch.pk)
    wait_until(lambda: done(batch) >= 20)
    operations.pause(batch.pk, actor="ana")
    wait_until(lambda: operations.get_batch(batch.pk).status == "PAUSED")
    seen = done(batch)
    worker.communicate(timeout=PATIENCE)
    assert done(batch) == seen < 3000
    assert effects(batch) == seen
    assert operations.verify(batch.pk) == []
    operations.resume(batch.pk, actor="ana")
    operations.cancel(batch.pk, actor="ana")
    assert operations.get_batch(batch.pk).status == "CANCELLED"


@pytest.mark.full_on("sqlite")
def test_it_settles_a_pause_whose_worker_was_killed(in_process: Start) -> None:
    batch = submitted(modes(*["sleep"] * 2000, seconds=0.05))
    operations.start(batch.pk)
    worker = in_process(WORK, batch.pk)
    wait_until(lambda: done(batch) >= 1)
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    operations.pause(batch.pk)
    assert operations.get_batch(batch.pk).status == "PAUSED"


@pytest.mark.full_on("sqlite")
def test_it_finishes_a_resumed_checkpoint_after_a_kill(in_process: Start) -> None:
    source = """
import sys, time
from batches import checkpoint_manager
from django.contrib.auth.models import Group
def process(item):
    Group.objects.create(name=f"adhoc/{item}")
    time.sleep(0.01)
print(checkpoint_manager.resume_from_checkpoint("adhoc", [f"item_{n}" for n in range(60)], process))
"""
    first = in_process(source)
    wait_until(lambda: Item.objects.filter(batch="adhoc", status="SUCCEEDED").count() >= 20)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second = in_process(source)
    said, errors = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, errors
    assert "'failed': 0" in said
    assert Group.objects.filter(name__startswith="adhoc/").count() == 60


def test_it_halts_when_the_error_budget_is_used_up_and_goes_on_when_it_is_raised() -> None:
    batch = ran(modes(*["invalid", "ok"] * 50), max_errors=7)
    assert batch.status == "HALTED"
    assert "the budget is 7" in batch.reason
    assert operations.verify(batch.pk) == []
    Batch.objects.filter(pk=batch.pk).update(max_errors=None)
    operations.resume(batch.pk)
    runner.work_until_idle(batch.pk)
    assert operations.get_batch(batch.pk).status == "COMPLETED"
