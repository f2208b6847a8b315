"""Which workers live, and what is said of batches whose workers do not."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from batches import operations, progress_tracker
from batches.engine import presence, slices
from batches.lanes import workers
from batches.models import Batch, Checkpoint, Sample, Worker
from batches.worker_names import is_running, worker_name
from tests.helpers.batches import modes, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.usefixtures("engine")
ELSEWHERE = "elsewhere:0badc0de:7:7"


def row(name: str = ELSEWHERE, seconds_ago: float = 0, **more: Any) -> Worker:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    return Worker.objects.create(name=name, host=name.split(":")[0], code="c0de", started_at=at, heard_at=at, **more)


def moving() -> Batch:
    """A batch that a worker of another machine has, with a velocity and an ETA."""
    batch = submitted(modes(*["ok"] * 40))
    operations.start(batch.pk, actor="ana")
    lease = slices.take_lane(operations.get_batch(batch.pk), 0)
    assert lease is not None
    now = timezone.now()
    Checkpoint.objects.filter(batch=batch).update(worker=ELSEWHERE, succeeded=20, saved_at=now)
    Batch.objects.filter(pk=batch.pk).update(running_since=now - timedelta(seconds=20))
    Sample.objects.all().delete()
    return batch


@pytest.mark.any_database
@pytest.mark.parametrize(("seconds", "lives"), [(0, True), (6, True), (9, False), (3600, False)])
def test_it_lives_while_it_is_heard_of(seconds: float, lives: bool) -> None:
    heard = row(seconds_ago=seconds)
    present = workers.presence()
    assert (present.anybody, workers.is_alive(ELSEWHERE)) == (lives, lives)
    assert present.last_heard_at == heard.heard_at
    assert present.has_lost(ELSEWHERE) == (seconds == 9)


@pytest.mark.any_database
def test_it_knows_nobody_where_nobody_was_ever_heard_of() -> None:
    assert workers.presence() == workers.NOBODY


@pytest.mark.full_on("postgresql")
def test_one_that_ends_here_is_dead_at_once(in_process: Callable[..., subprocess.Popen[str]]) -> None:
    source = "from batches.engine import presence; presence.register(); print('ready', flush=True); input()"
    process = in_process(source)
    assert process.stdout is not None
    process.stdout.readline()
    assert workers.presence().anybody
    (name,) = workers.presence().alive
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: not is_running(name))
    assert workers.vouch() == 0
    os.kill(process.pid, signal.SIGCONT)
    wait_until(lambda: is_running(name))
    assert workers.vouch() == 1
    process.kill()
    process.wait()
    assert workers.presence().silent == {name}


def test_the_batch_of_a_dead_worker_has_no_eta_and_is_stuck_long_before_its_lease_ends() -> None:
    batch = moving()
    worker = row()
    before = progress_tracker.get_progress(batch.pk)
    assert before.eta_seconds is not None
    assert not before.stuck
    Worker.objects.filter(pk=worker.pk).update(heard_at=timezone.now() - workers.SILENT_AFTER)
    after = progress_tracker.get_progress(batch.pk)
    assert (after.eta_seconds, after.recent_velocity, after.stuck) == (None, None, True)
    row("other:0badc0de:1:1")
    assert progress_tracker.get_progress(batch.pk).stuck, "another worker that lives does not hold it"


@pytest.mark.any_database
def test_the_batch_of_a_worker_that_is_not_known_is_judged_by_its_lease() -> None:
    batch = moving()
    assert not progress_tracker.get_progress(batch.pk).stuck
    Checkpoint.objects.filter(batch=batch).update(lease_expires_at=timezone.now())
    assert progress_tracker.get_progress(batch.pk).stuck


@pytest.mark.any_database
def test_a_batch_that_nobody_holds_is_stuck_when_nobody_lives() -> None:
    batch = moving()
    long_ago = timezone.now() - timedelta(seconds=20)
    Checkpoint.objects.filter(batch=batch).update(worker="", lease_expires_at=None, saved_at=long_ago)
    assert progress_tracker.get_progress(batch.pk).stuck
    row()
    assert not progress_tracker.get_progress(batch.pk).stuck


@pytest.mark.any_database
def test_a_command_is_a_worker_while_it_works() -> None:
    with presence.at_work():
        worker = Worker.objects.get()
    assert worker.name == worker_name()
    assert {"check_rows", "test.do"} <= set(worker.processors)
    assert len(worker.code) == 12
    assert not Worker.objects.exists()
    code, _, _ = batch_command("worker")
    assert (code, Worker.objects.count()) == (0, 0)


@pytest.mark.any_database
def test_a_worker_that_holds_a_lane_or_has_left_a_batch_to_others_leaves_its_row() -> None:
    batch = moving()
    Checkpoint.objects.filter(batch=batch).update(worker=worker_name())
    with presence.at_work():
        pass
    assert workers.presence().alive == {worker_name()}
    Checkpoint.objects.filter(batch=batch).update(worker="")
    with presence.at_work():
        workers.decline(batch.pk, "no such processor")
    assert workers.Declined().why(batch.pk) == "no such processor"


@pytest.mark.any_database
def test_the_row_of_a_worker_that_was_lost_goes_after_a_day() -> None:
    presence.register()
    Worker.objects.update(heard_at=timezone.now() - timedelta(hours=23))
    assert workers.forget_dead() == 0
    Worker.objects.update(heard_at=timezone.now() - timedelta(hours=25))
    assert workers.forget_dead() == 1
