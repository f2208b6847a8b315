"""Processors whose effects are outside this database: at least once, under one key, and never forgotten."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from batches import operations
from batches.engine import external, in_flight_calls, runner
from batches.exceptions import InvalidInput, InvalidTransition
from batches.models import Batch, Checkpoint, IdempotencyRecord, Item
from errors.models import ErrorRecord
from tests.helpers import commits, outside
from tests.helpers.batches import item, statuses
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("sqlite")]
Start = Callable[..., subprocess.Popen[str]]
WORK = "import sys, tests.helpers.outside; from batches.engine import runner; runner.work_until_idle(sys.argv[1])"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls.log"


def submitted(log: Path, processor: str, *wanted: str, **more: Any) -> Batch:
    options = {name: more.pop(name) for name in ("item_timeout", "max_attempts", "rate", "max_errors") if name in more}
    items = [{"mode": mode, "log": str(log), "n": n, **more} for n, mode in enumerate(wanted)]
    return operations.submit(processor=processor, items=items, batch_id="outside", actor="ana", **options).batch


def ran(log: Path, processor: str, *wanted: str, **more: Any) -> Batch:
    batch = submitted(log, processor, *wanted, **more)
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    assert operations.verify(batch.pk) == []
    return batch


def called(log: Path) -> list[tuple[int, str]]:
    """(position, key) of every call, in order."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(int(position), key) for position, key, _ in lines]


@pytest.mark.parametrize("processor", ["outside.call", "outside.async"])
def test_it_calls_once_for_every_item(log: Path, processor: str) -> None:
    batch = ran(log, processor, *["ok"] * 25)
    assert batch.status == "COMPLETED"
    assert sorted(position for position, _ in called(log)) == list(range(25))
    assert set(statuses(batch)) == {"SUCCEEDED"}
    assert not Item.objects.filter(claimed_at__isnull=False).exists()
    assert not IdempotencyRecord.objects.filter(state="IN_PROGRESS").exists()


def test_it_has_as_many_calls_out_at_once_as_the_processor_allows(log: Path) -> None:
    batch = ran(log, "outside.call", *["together"] * (2 * outside.SIDE_BY_SIDE))
    assert set(statuses(batch)) == {"SUCCEEDED"}


@pytest.mark.parametrize("processor", ["outside.call", "outside.async"])
def test_it_gives_every_attempt_the_same_key(log: Path, processor: str) -> None:
    ran(log, "outside.call", "again", "ok")
    keys = [key for position, key in called(log) if position == 0]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_it_repeats_no_step_that_was_done(log: Path) -> None:
    batch = ran(log, "outside.call", "steps")
    assert item(batch, 0).attempts == 2
    assert len(called(log)) == 3  # a call an attempt, and the step once


def test_it_repeats_no_step_of_a_coroutine(log: Path) -> None:
    batch = ran(log, "outside.async", "again")
    assert item(batch, 0).attempts == 2
    assert item(batch, 0).result == {"charged": 1}
    assert len(called(log)) == 1


def test_it_does_not_count_rate_limited_attempts(log: Path) -> None:
    batch = ran(log, "outside.call", "limited", max_attempts=2)
    assert statuses(batch) == ["SUCCEEDED"]
    assert item(batch, 0).attempts == 6


def test_it_contains_whatever_an_item_does(log: Path) -> None:
    batch = ran(log, "outside.call", "exit", "rubbish", "skip", "ok")
    assert statuses(batch) == ["FAILED", "FAILED", "SKIPPED", "SUCCEEDED"]
    assert "sys.exit(3)" in item(batch, 0).message
    assert item(batch, 1).code == "RESULT_NOT_JSON"


@pytest.mark.full
@pytest.mark.parametrize(("processor", "mode"), [("outside.call", "busy"), ("outside.async", "slow")])
def test_it_ends_a_call_that_runs_too_long(log: Path, processor: str, mode: str) -> None:
    batch = ran(log, processor, mode, "ok", item_timeout=3, max_attempts=1)
    assert statuses(batch) == ["FAILED", "SUCCEEDED"]
    assert item(batch, 0).code == "TIMEOUT"


def test_it_gives_up_a_call_that_cannot_be_ended(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight_calls, "GRACE_SECONDS", 0.5)
    batch = ran(log, "outside.alone", "slow", "ok", seconds=20, item_timeout=2, max_attempts=1)
    assert statuses(batch) == ["FAILED", "SUCCEEDED"]
    assert "could not be ended" in item(batch, 0).message


@pytest.mark.full
def test_it_repeats_only_the_calls_that_were_out_when_the_worker_was_killed(log: Path, in_process: Start) -> None:
    batch = submitted(log, "outside.alone", *["slow"] * 60, seconds=0.02)
    operations.start(batch.pk)
    kills = 4
    for kill in range(1, kills + 1):
        worker = in_process(WORK, batch.pk)
        wait_until(lambda kill=kill: len(called(log)) >= kill * 10)  # type: ignore[misc]
        os.kill(worker.pid, signal.SIGKILL)
        worker.communicate()
    runner.work_until_idle(batch.pk)
    times = Counter(position for position, _ in called(log))
    assert sorted(times) == list(range(60))
    assert sum(times.values()) <= 60 + kills
    assert len({key for _, key in called(log)}) == 60
    assert set(statuses(batch)) == {"SUCCEEDED"}
    assert operations.verify(batch.pk) == []


@pytest.fixture
def undecided(log: Path, in_process: Start) -> Batch:
    """Four calls that must not be repeated; the worker was killed while the first two were out."""
    batch = submitted(log, "outside.ask", "slow", "slow", "ok", "ok", seconds=30)
    operations.start(batch.pk)
    worker = in_process(WORK, batch.pk)
    wait_until(lambda: len(called(log)) == 2)
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    runner.work_until_idle(batch.pk)
    return batch


def test_it_leaves_calls_of_unknown_outcome_to_a_person(log: Path, undecided: Batch) -> None:
    assert statuses(undecided) == ["QUARANTINED", "QUARANTINED", "SUCCEEDED", "SUCCEEDED"]
    assert len(called(log)) == 4
    assert set(ErrorRecord.objects.values_list("code", flat=True)) == {"UNKNOWN_OUTCOME"}
    assert operations.verify(undecided.pk) == []


def test_a_person_decides_once_what_became_of_a_call(undecided: Batch) -> None:
    operations.decide(undecided.pk, item(undecided, 0).key, "succeeded", actor="ana", reason="the bank has it")
    operations.decide(undecided.pk, item(undecided, 1).key, "failed", actor="ana")
    assert statuses(undecided)[:2] == ["SUCCEEDED", "FAILED"]
    assert operations.verify(undecided.pk) == []
    told = undecided.transitions.filter(verb="decide").earliest("pk")
    assert (told.actor, "the bank has it" in told.reason) == ("ana", True)
    with pytest.raises(InvalidTransition):
        operations.decide(undecided.pk, item(undecided, 0).key, "failed", actor="ana")


def test_a_person_decides_for_success_or_failure_only(undecided: Batch) -> None:
    with pytest.raises(InvalidInput, match="succeeded or failed"):
        operations.decide(undecided.pk, item(undecided, 1).key, "perhaps", actor="ana")


@pytest.mark.full
def test_it_sets_an_item_aside_that_kills_its_workers(log: Path, in_process: Start) -> None:
    batch = submitted(log, "outside.call", "ok", "die", "ok", "ok")
    operations.start(batch.pk)
    deaths = 0
    while operations.get_batch(batch.pk).status in Batch.ACTIVE and deaths < 10:
        worker = in_process(WORK, batch.pk)
        worker.communicate(timeout=PATIENCE)
        deaths += worker.returncode != 0
    assert deaths == 3
    assert statuses(batch) == ["SUCCEEDED", "QUARANTINED", "SUCCEEDED", "SUCCEEDED"]
    assert item(batch, 1).code == "WORKER_CRASH"
    assert operations.verify(batch.pk) == []


@pytest.mark.parametrize("point", range(1, 7))
@pytest.mark.parametrize("after", [False, True])
def test_it_repeats_no_call_when_a_commit_fails_or_its_reply_is_lost(
    log: Path, point: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submitted(log, "outside.alone", *["ok"] * 5)
    operations.start(batch.pk)
    count, work = [0], external.work

    def lose(commit: Callable[[], None]) -> None:
        count[0] += 1
        if count[0] == point and not after:
            connection.connection.rollback()
            raise OperationalError("disk I/O error")
        commit()
        if count[0] == point:
            raise OperationalError("server closed the connection unexpectedly")

    def losing(slice_: Any) -> bool:
        slice_.next_milestone = 100.0  # PostgreSQL records and claims by one statement until then
        with commits.around(lose):
            return work(slice_)

    monkeypatch.setattr(external, "work", losing)
    runner.work_until_idle(batch.pk)
    assert count[0] >= point
    assert sorted(position for position, _ in called(log)) == list(range(5))
    assert set(statuses(batch)) == {"SUCCEEDED"}
    assert operations.verify(batch.pk) == []


@pytest.mark.full
def test_it_is_paused_only_when_no_call_is_out(log: Path, in_process: Start) -> None:
    batch = submitted(log, "outside.call", *["slow"] * 400, seconds=0.2)
    operations.start(batch.pk)
    worker = in_process(WORK, batch.pk)
    wait_until(lambda: len(called(log)) >= 6)
    operations.pause(batch.pk)
    wait_until(lambda: operations.get_batch(batch.pk).status == "PAUSED")
    before = len(called(log))
    assert Item.objects.filter(batch=batch, status="SUCCEEDED").count() == before
    assert not Item.objects.filter(batch=batch, status="RUNNING").exists()
    worker.communicate(timeout=PATIENCE)
    assert len(called(log)) == before < 400
    for row in Item.objects.filter(batch=batch, status="PENDING"):
        row.payload["mode"] = "ok"
        row.save(update_fields=["payload"])
    operations.resume(batch.pk)
    runner.work_until_idle(batch.pk)
    assert sorted(position for position, _ in called(log)) == list(range(400))


def test_it_halts_at_its_error_budget(log: Path) -> None:
    batch = submitted(log, "outside.alone", *["exit"] * 30, max_errors=3, max_attempts=1)
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    assert operations.get_batch(batch.pk).status == "HALTED"
    assert len(called(log)) <= 5


def test_it_keeps_its_lane_while_a_call_takes_long(log: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PORTAL_LEASE_SECONDS = 6.0
    batch = submitted(log, "outside.alone", "slow", seconds=2.0, item_timeout=3.9)
    operations.start(batch.pk)
    ends: set[Any] = set()
    keep = external.keep_lease

    def looking(slice_: Any) -> None:
        keep(slice_)
        if Item.objects.filter(batch=batch, status="RUNNING").exists():
            ends.add(Checkpoint.objects.get(batch=batch).lease_expires_at)

    monkeypatch.setattr(external, "keep_lease", looking)
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"]
    assert len(ends) > 1
