"""The process's alarm and its watchdog are borrowed while items run, and nothing is left running afterwards."""

from __future__ import annotations

import faulthandler
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from batches import checkpoint_manager, operations, tasks
from batches.engine import rehearsals, runner
from batches.exceptions import ItemTimeout
from batches.isolation.guard import Isolation
from batches.isolation.time_limits import TimeLimit
from batches.models import Batch
from tests import processors
from tests.helpers import outside  # noqa: F401 - registers its processors
from tests.helpers.batches import item, modes, ran, statuses, submitted
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("engine")
ALARM, TIMER = signal.SIGALRM, signal.ITIMER_REAL


# -- in this process ---------------------------------------------------------------------------------------------------


class Alarm:
    """A caller's own handler of SIGALRM: how often it was called, and whether within a transaction."""

    def __init__(self) -> None:
        self.rung: list[bool] = []

    def __call__(self, signum: int, frame: Any) -> None:
        self.rung.append(connection.in_atomic_block)


@pytest.fixture
def alarm() -> Iterator[Alarm]:
    before, own = signal.getsignal(ALARM), Alarm()
    signal.signal(ALARM, own)
    yield own
    signal.setitimer(TIMER, 0)
    signal.signal(ALARM, before)


def wait(until: float) -> None:
    """To a point of the monotonic clock, whatever rings."""
    while (left := until - time.monotonic()) > 0:
        time.sleep(left)


def started(batch: Batch) -> Batch:
    operations.start(batch.pk)
    return batch


def work_until_idle() -> None:
    runner.work_until_idle(started(submitted(modes("ok", "error", "ok"), max_attempts=1)).pk)


def call_outside(processor: str, log: Path) -> None:
    items = [{"log": str(log), "n": n} for n in range(5)]
    runner.work_until_idle(started(operations.submit(processor=processor, items=items).batch).pk)


def run_slice() -> None:
    tasks.run_slice(started(submitted(modes("ok"))).pk, 0)


def rehearse() -> None:
    batch = submitted(modes("ok", "error"))
    rehearsals.work(operations.rehearse(batch.pk, wake=False).pk)


def resume() -> None:
    checkpoint_manager.resume_from_checkpoint("by-hand", ["a", "b"], lambda item: None)


RUNS: dict[str, Callable[[], None]] = {
    "work_until_idle": work_until_idle,
    "task": run_slice,
    "rehearsal": rehearse,
    "resume_from_checkpoint": resume,
}


@pytest.mark.parametrize("how", RUNS)
def test_it_leaves_the_callers_handler_and_no_timer(how: str, alarm: Alarm) -> None:
    RUNS[how]()
    assert signal.getsignal(ALARM) is alarm
    assert signal.getitimer(TIMER) == (0.0, 0.0)


@pytest.mark.parametrize("how", RUNS)
def test_it_leaves_the_callers_timer_with_what_was_left_on_it(how: str, alarm: Alarm) -> None:
    signal.setitimer(TIMER, 1_000, 500)
    began = time.monotonic()
    RUNS[how]()
    spent = time.monotonic() - began
    left, interval = signal.getitimer(TIMER)
    assert left == pytest.approx(1_000 - spent, abs=0.1 + spent / 10)
    assert interval == 500
    assert alarm.rung == []


@pytest.mark.parametrize("processor", ["outside.call", "outside.async"])
def test_it_leaves_the_alarm_alone_for_calls_to_the_outside(processor: str, alarm: Alarm, tmp_path: Path) -> None:
    signal.setitimer(TIMER, 1_000)
    call_outside(processor, tmp_path / "calls.log")
    assert signal.getsignal(ALARM) is alarm
    assert signal.getitimer(TIMER)[0] > 0


def test_it_rings_a_callers_alarm_that_came_due_once_the_chunk_is_committed(alarm: Alarm) -> None:
    isolation = Isolation(5.0)
    signal.setitimer(TIMER, 1.0)
    with isolation.chunk():
        wait(until=time.monotonic() + 1.1)
        assert alarm.rung == []
    wait_until(lambda: alarm.rung)
    assert alarm.rung == [False]


def test_it_lets_a_callers_alarm_end_the_run(alarm: Alarm) -> None:
    class OutOfTime(Exception):
        pass

    def give_up(signum: int, frame: Any) -> None:
        raise OutOfTime

    signal.signal(ALARM, give_up)
    batch = started(submitted(modes(*["sleep"] * 4, seconds=0.2), checkpoint_every=1))
    with pytest.raises(OutOfTime):
        runner.work_until_idle(batch.pk, on_chunk=lambda: signal.setitimer(TIMER, 0.05))
    assert (statuses(batch)[0], statuses(batch)[-1]) == ("SUCCEEDED", "PENDING")
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"] * 4
    assert operations.verify(batch.pk) == []


def test_it_limits_the_items_of_a_batch_that_is_run_between_the_chunks_of_another(alarm: Alarm) -> None:
    inner = started(submitted(modes("sleep", seconds=5), item_timeout=0.3, max_attempts=1))
    options = {"item_timeout": 0.5, "max_attempts": 1, "checkpoint_every": 1}
    outer = started(submitted(modes("ok", "sleep", "ok", seconds=5), **options))
    runner.work_until_idle(outer.pk, on_chunk=lambda: runner.work_slice(inner.pk))
    assert statuses(inner) == ["FAILED"]
    assert statuses(outer) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert signal.getsignal(ALARM) is alarm


def test_it_gives_an_outer_limit_back_to_it() -> None:
    outer, inner = TimeLimit(100), TimeLimit(0.01)
    with outer:
        outer.start()
        with pytest.raises(ItemTimeout), inner:
            inner.start()
            time.sleep(5)
        assert signal.getsignal(ALARM) == outer.handler
        assert 0 < signal.getitimer(TIMER)[0] <= 100
        outer.stop()
    assert signal.getitimer(TIMER)[0] == 0


def test_it_touches_no_signal_in_another_thread_than_the_main_one(alarm: Alarm) -> None:
    batch = started(submitted(modes("ok", "ok")))
    signal.setitimer(TIMER, 1_000)

    def work() -> None:
        try:
            runner.work_until_idle(batch.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert statuses(batch) == ["SUCCEEDED"] * 2
    assert signal.getsignal(ALARM) is alarm
    assert signal.getitimer(TIMER)[0] > 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: signal.setitimer(TIMER, 0),
        lambda: signal.setitimer(TIMER, 1_000),
        lambda: signal.signal(ALARM, signal.SIG_IGN),
        lambda: (signal.signal(ALARM, signal.SIG_DFL), signal.setitimer(TIMER, 1_000)),
    ],
    ids=["timer off", "timer later", "ignored", "default"],
)
def test_it_limits_the_item_after_one_that_used_the_alarm_itself(
    spoil: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(processors.MODES, "spoil", lambda payload, context: bool(spoil()))
    batch = ran(modes("spoil", "sleep", "ok", seconds=5), item_timeout=0.5, max_attempts=1)
    assert statuses(batch) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert item(batch, 1).code == "TIMEOUT"


# -- the watchdog ------------------------------------------------------------------------------------------------------


@pytest.fixture
def dog(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the process's watchdog, in place of the real one."""
    acts: list[str] = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda *args, **options: acts.append("set"))
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: acts.append("called off"))
    return acts


@pytest.mark.parametrize("how", RUNS)
def test_it_leaves_the_callers_watchdog_on(how: str, dog: list[str]) -> None:
    if how == "task":
        pytest.skip("a task has its process for itself")
    RUNS[how]()
    assert dog == []


def test_it_calls_its_own_watchdog_off(dog: list[str]) -> None:
    runner.work_slice(started(submitted(modes("ok", "ok"))).pk, expendable=True)
    assert (dog[0], dog[-1]) == ("set", "called off")
    dog.clear()
    rehearsals.work(operations.rehearse(submitted(modes("ok")).pk, wake=False).pk, expendable=True)
    assert (dog[0], dog[-1]) == ("set", "called off")


# -- in processes of their own -----------------------------------------------------------------------------------------

SLOW_TO_GO = """
import sys, time
from django.core.management import call_command

class SlowToGo:
    def __del__(self, sleep=time.sleep):
        sleep(0.6)  # the interpreter has given up its signal handlers by now

kept = SlowToGo()
call_command("batch", *sys.argv[1:])
"""


@pytest.mark.any_database
@pytest.mark.parametrize(
    "more", [pytest.param([], id="run"), pytest.param(["--rehearse"], id="rehearse", marks=pytest.mark.full)]
)
def test_it_ends_with_its_own_exit_code_however_long_the_interpreter_takes_to_shut_down(
    more: list[str], in_process: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text('[{"mode": "ok"}, {"mode": "invalid"}]')
    process = in_process(SLOW_TO_GO, "run", "test.do", str(rows), "--item-timeout", "0.3", *more)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, errors
