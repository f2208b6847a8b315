"""Which workers may be declared dead, and which of two gets a lane."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from batches import operations, tasks
from batches.engine import runner
from batches.lanes import leases
from batches.models import Batch, Checkpoint
from batches.worker_names import worker_name
from tests.helpers.batches import modes, submitted
from tests.helpers.processes import IN_A_NAMESPACE, may_unshare
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("engine")
Start = Callable[..., subprocess.Popen[str]]
NAME = "from batches.worker_names import worker_name; print(worker_name(), flush=True); input()"


def held_by(worker: str) -> Batch:
    """A batch whose lane that worker holds."""
    batch = submitted(modes("ok"))
    operations.start(batch.pk)
    leases.ensure_lanes(batch)
    batch.refresh_from_db()
    assert leases.take(batch, 0) is not None
    Checkpoint.objects.filter(batch=batch).update(worker=worker)
    return batch


@pytest.mark.full_on("sqlite")
def test_it_declares_a_worker_dead_that_has_ended_here(in_process: Start) -> None:
    worker = in_process(NAME)
    assert worker.stdout is not None
    name = worker.stdout.readline().strip()
    held_by(name)
    assert leases.expire_dead_workers() == 0
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert leases.expire_dead_workers() == 1
    assert leases.cause_of_death(name) == "process"


def test_whoever_waits_for_a_lane_only_reads() -> None:
    """Many a worker of a small batch, and a script's second caller on SQLite, ask ten times a second."""
    batch = held_by(worker_name())
    runner.work_slice(batch.pk)  # notes the processor's code, once
    with CaptureQueriesContext(connection) as queries:
        assert not runner.work_slice(batch.pk)
    assert queries.captured_queries
    assert [query["sql"] for query in queries if not query["sql"].lstrip().startswith("SELECT")] == []


def test_it_declares_no_worker_dead_whose_pid_it_cannot_judge() -> None:
    """A host of the same name, another boot or PID namespace: pid 1 with that start is nobody here."""
    for name in (f"{socket.gethostname()}:0badc0de:1:1", f"{socket.gethostname()}:1:1", "elsewhere:1:1"):
        held_by(name)
        assert leases.expire_dead_workers() == 0
        assert leases.cause_of_death(name) == "lease"
        Checkpoint.objects.all().delete()


def test_workers_of_two_pid_namespaces_leave_each_other_alone(in_process: Start) -> None:
    if not may_unshare():
        pytest.skip("only root may make a PID namespace")
    worker = in_process(NAME, inside=IN_A_NAMESPACE)
    assert worker.stdout is not None
    name = worker.stdout.readline().strip()
    assert name.split(":")[0] == worker_name().split(":")[0]
    assert name.split(":")[1] != worker_name().split(":")[1]
    held_by(name)
    assert leases.expire_dead_workers() == 0


def test_of_two_sessions_that_take_a_lane_at_once_one_has_it() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer: nobody waits inside a statement")
    batch = submitted(modes("ok"))
    operations.start(batch.pk)
    leases.ensure_lanes(batch)
    batch.refresh_from_db()
    taken: list[leases.Lease | None] = []

    def take() -> None:
        taken.append(leases.take(batch, 0))
        connection.close()

    other = threading.Thread(target=take)
    with transaction.atomic():
        assert leases.take(batch, 0) is not None
        other.start()
        wait_until(lambda: waiting_for_a_lock() or not other.is_alive())
    other.join(PATIENCE)
    assert taken == [None]
    assert Checkpoint.objects.get(batch=batch).fence == 1


def test_a_process_goes_on_to_the_next_in_line_while_another_takes_the_first() -> None:
    """It neither waits for the other, nor ends its message with nothing, nor asks anew for each that it passes over."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer: nobody comes second")
    first, second, third = (operations.start(submitted(modes("ok")).pk) for _ in range(3))

    def work() -> None:
        tasks.work_in_turn()
        connection.close()

    other = threading.Thread(target=work)
    with transaction.atomic():
        assert all(leases.take(batch) for batch in (first, second))
        other.start()
        wait_until(lambda: operations.get_batch(third.pk).status == "COMPLETED")
        assert {operations.get_batch(batch.pk).status for batch in (first, second)} == {"QUEUED"}
    other.join(PATIENCE)


@pytest.mark.parametrize("verb", [operations.pause, operations.cancel])
def test_a_batch_that_is_stopped_in_a_longer_transaction_gives_no_lane_away(verb: Callable[[str], Batch]) -> None:
    """As a request with an `Idempotency-Key` does: what it answered must be so once it is committed."""
    batch = submitted(modes("ok", "ok"))
    operations.start(batch.pk)
    leases.ensure_lanes(batch)
    Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.RUNNING)
    taken: list[leases.Lease | None] = []

    def take() -> None:
        taken.append(leases.take(Batch.objects.get(pk=batch.pk)))
        connection.close()

    other = threading.Thread(target=take)
    with transaction.atomic():
        answered = verb(batch.pk).status
        other.start()
        if connection.vendor == "postgresql":
            wait_until(lambda: waiting_for_a_lock() or not other.is_alive())
    other.join(PATIENCE)
    assert answered in ("PAUSED", "CANCELLED")
    assert taken == [None]
    assert operations.get_batch(batch.pk).status == answered


def waiting_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees the sessions of its first look otherwise
        cursor.execute(
            """SELECT count(*) FROM pg_stat_activity
               WHERE wait_event_type = 'Lock' AND datname = current_database()"""
        )
        (waiting,) = cursor.fetchone()
    return bool(waiting)
