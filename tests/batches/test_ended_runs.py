"""A run that is to end, by Ctrl-C, a signal or an exit, is saved as far as it came, and fails no item."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from batches import checkpoint_manager, operations
from batches.engine import runner
from batches.isolation.interruptions import Interruptions
from tests import processors
from tests.helpers.batches import item, modes, statuses, submitted
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("engine")
Start = Callable[..., "subprocess.Popen[str]"]

ITEMS = [f"item_{n}" for n in range(25)]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Ctrl-C as everywhere, SIGTERM as in a program that a service manager stops."""
    before = [signal.getsignal(number) for number in SIGNALS]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    signal.signal(signal.SIGTERM, exit_with_3)
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


def exit_with_3(signum: int, frame: Any) -> None:
    sys.exit(3)


def done(batch_id: str = "a") -> list[str]:
    checkpoint = checkpoint_manager.load_checkpoint(batch_id)
    return [] if checkpoint is None else checkpoint.completed_items


def failed(batch_id: str = "a") -> list[str]:
    checkpoint = checkpoint_manager.load_checkpoint(batch_id)
    return [] if checkpoint is None else [failure["item"] for failure in checkpoint.failed_items]


def send(number: int) -> None:
    """To this thread, which is the main one: it has arrived when the call returns."""
    signal.raise_signal(number)


def raise_keyboard_interrupt() -> None:
    raise KeyboardInterrupt


ENDS: dict[str, Callable[[], Any]] = {
    "Ctrl-C": lambda: send(signal.SIGINT),
    "SIGTERM": lambda: send(signal.SIGTERM),
    "KeyboardInterrupt": raise_keyboard_interrupt,
    "SystemExit": lambda: sys.exit(3),
}


@pytest.mark.parametrize("how", ENDS)
def test_it_saves_what_was_done_and_does_not_do_it_again(how: str) -> None:
    processed: list[str] = []

    def process(item: str) -> None:
        processed.append(item)
        Group.objects.create(name=f"{item}/{len(processed)}")
        if item == "item_17" and processed.count(item) == 1:
            ENDS[how]()

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        checkpoint_manager.resume_from_checkpoint("a", ITEMS, process)
    assert (done(), failed()) == (ITEMS[:17], [])
    result = checkpoint_manager.resume_from_checkpoint("a", ITEMS, process)
    assert (result["resumed_from_index"], result["completed"], result["failed"]) == (17, 8, 0)
    assert processed == [*ITEMS[:18], *ITEMS[17:]]
    assert Group.objects.filter(name__startswith="item_").count() == 25
    assert operations.verify("a") == []


def test_it_has_a_failed_item_on_record_before_the_next_one_begins() -> None:
    seen: list[list[str]] = []

    def process(item: str) -> None:
        if item == "item_3":
            seen.append([*failed(), *done()])
        if item == "item_2":
            raise ValueError(item)

    checkpoint_manager.resume_from_checkpoint("a", ITEMS, process)
    assert seen == [["item_2", "item_0", "item_1"]]


def test_it_ends_a_run_whose_item_swallows_the_signal_once_that_is_recorded() -> None:
    def process(item: str) -> None:
        if item == "item_4":
            try:
                send(signal.SIGTERM)
            except BaseException:
                pass

    with pytest.raises(SystemExit):
        checkpoint_manager.resume_from_checkpoint("a", ITEMS, process)
    assert done() == ITEMS[:5]


def test_it_lets_a_handler_that_raises_nothing_end_nothing() -> None:
    arrived: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, frame: arrived.append(signum))
    result = checkpoint_manager.resume_from_checkpoint(
        "a", ITEMS, lambda item: send(signal.SIGTERM) if item == "item_4" else None
    )
    assert (result["completed"], arrived) == (25, [signal.SIGTERM])


def test_it_leaves_the_callers_handlers() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    checkpoint_manager.resume_from_checkpoint("a", ITEMS, lambda item: None)
    with pytest.raises(SystemExit):
        checkpoint_manager.resume_from_checkpoint("b", ITEMS, lambda item: send(signal.SIGTERM))
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.any_database
def test_it_calls_a_handler_at_once_in_an_item_and_elsewhere_once_all_is_committed() -> None:
    arrived: list[str] = []
    signal.signal(signal.SIGTERM, lambda signum, frame: arrived.append(place))
    with Interruptions() as interruptions:
        place = "in the item"
        interruptions.run_item(lambda: send(signal.SIGTERM))
        place = "in the chunk"
        send(signal.SIGTERM)
        assert interruptions.are_due()
        place = "in the next item"
        interruptions.run_item(lambda: None)
        place = "in the chunk"
        send(signal.SIGTERM)
        place = "after the chunk"
    assert arrived == ["in the item", "in the next item", "after the chunk"]


def test_it_needs_no_main_thread() -> None:
    def resume() -> None:
        try:
            checkpoint_manager.resume_from_checkpoint("a", ITEMS, lambda item: None)
        finally:
            connection.close()

    thread = threading.Thread(target=resume)
    thread.start()
    thread.join(PATIENCE)
    assert done() == ITEMS


def test_it_fails_no_item_of_a_batch_with_a_processor_either(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []

    def stop(payload: dict[str, Any], context: Any) -> None:
        if not ended:
            ended.append(context.position)
            send(signal.SIGTERM)

    monkeypatch.setitem(processors.MODES, "stop", stop)
    batch = submitted(modes("ok", "ok", "stop", "ok", effect=True))
    operations.start(batch.pk)
    with pytest.raises(SystemExit):
        runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED", "PENDING", "PENDING"]
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"] * 4
    assert item(batch, 2).attempts == 1
    assert operations.verify(batch.pk) == []


COMMAND = """
import sys, time
from pathlib import Path
from django.core.management import call_command
from tests import processors

def wait(payload, context):
    Path(payload["mark"]).touch()
    time.sleep(25)

processors.MODES["wait"] = wait
call_command("batch", *sys.argv[1:])
"""


@pytest.mark.any_database
def test_it_marks_nothing_failed_at_the_second_ctrl_c_of_a_command(in_process: Start, tmp_path: Path) -> None:
    rows, mark = tmp_path / "rows.json", tmp_path / "mark"
    rows.write_text(json.dumps([{"mode": "ok"}, {"mode": "wait", "mark": str(mark)}, {"mode": "ok"}]))
    process = in_process(COMMAND, "run", "test.do", str(rows), "--id", "ended")
    wait_until(mark.exists)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "quit at once" not in (line := process.stderr.readline()):
        assert line
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, errors
    batch = operations.get_batch("ended")
    assert (batch.status, statuses(batch)) == ("PAUSED", ["SUCCEEDED", "PENDING", "PENDING"])
    assert operations.verify("ended") == []
