"""An idempotent operation may take long: it is remembered, and nobody waits for the database meanwhile."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from batches import clock, idempotency_manager
from batches.exceptions import InvalidInput, OperationInProgress
from batches.idempotency_manager import idempotent_operation
from batches.models import IdempotencyRecord
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("engine")
Start = Callable[..., "subprocess.Popen[str]"]
KEY = idempotency_manager.generate_key("batch_1", "item_1", "process")


def operation(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return idempotent_operation(idempotency_manager, "batch_1", "item_1", "process", **options)(function)


def write_elsewhere() -> None:
    """Another connection writes, and does not wait."""
    written = threading.Event()

    def write() -> None:
        try:
            Group.objects.create(name="elsewhere")
            written.set()
        finally:
            connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    assert written.wait(PATIENCE)
    thread.join(PATIENCE)


@pytest.fixture
def impatient_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency_manager, "WAIT_SECONDS", 0.0)


LONG = """
import sys, threading, time
from batches import idempotency_manager
from batches.idempotency_manager import idempotent_operation
from django.contrib.auth.models import Group
from django.db import connection

@idempotent_operation(idempotency_manager, "batch_1", "item_1", "process", effects=sys.argv[2])
def once():
    print("runs", flush=True)
    if sys.argv[1] == "first":
        Group.objects.create(name="effect")
    time.sleep(2.5)
    if sys.argv[1] == "last":
        Group.objects.create(name="effect")
    return {"done": True}

def twice():
    print(once(), once())
    connection.close()

if sys.argv[3] == "thread":
    thread = threading.Thread(target=twice)
    thread.start()
    thread.join()
else:
    twice()
"""


@pytest.mark.full_on("sqlite")
@pytest.mark.parametrize(
    ("writes", "effects", "place"),
    [
        pytest.param("never", "database", "main", marks=pytest.mark.full),
        ("first", "database", "thread"),
        pytest.param("last", "external", "thread", marks=pytest.mark.full),
    ],
)
def test_it_remembers_what_took_longer_than_a_transaction_may_be_idle(
    writes: str, effects: str, place: str, in_process: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"PORTAL_ITEM_TIMEOUT": "0.5", "PORTAL_IDLE_SECONDS": "1", "PORTAL_LEASE_SECONDS": "1.5"}
    for name, seconds in limits.items():
        monkeypatch.setenv(name, seconds)
    printed, errors = in_process(LONG, writes, effects, place).communicate(timeout=PATIENCE)
    assert printed == "runs\n{'done': True} {'done': True}\n", errors
    assert Group.objects.filter(name="effect").count() == (writes != "never")


def test_it_lets_others_write_while_it_runs() -> None:
    assert operation(write_elsewhere)() is None
    assert Group.objects.filter(name="elsewhere").exists()


def test_it_lets_others_write_after_it_has_written_with_effects_elsewhere() -> None:
    def run() -> str:
        Group.objects.create(name="effect")
        write_elsewhere()
        return "done"

    assert operation(run, effects="external")() == "done"
    assert Group.objects.filter(name__in=("effect", "elsewhere")).count() == 2


def test_it_undoes_what_an_operation_wrote_that_failed_and_runs_it_again() -> None:
    broken = [True]

    def run() -> str:
        Group.objects.create(name="effect")
        if broken:
            raise ValueError(broken.pop())
        return "done"

    once = operation(run)
    with pytest.raises(ValueError, match="True"):
        once()
    assert not Group.objects.filter(name="effect").exists()
    assert not IdempotencyRecord.objects.exists()
    assert (once(), once()) == ("done", "done")
    assert Group.objects.filter(name="effect").count() == 1


def test_it_begins_no_transaction_for_an_operation_that_needs_none() -> None:
    def run() -> bool:
        raw = connection.connection
        if connection.vendor == "postgresql":
            return bool(raw.info.transaction_status == 0)
        return not raw.in_transaction

    assert operation(run)() is True


@pytest.fixture
def in_progress() -> Iterator[threading.Event]:
    """An operation that another thread has in progress until the event is set, or the test is over."""
    begun, end = threading.Event(), threading.Event()

    def run() -> str:
        begun.set()
        end.wait(PATIENCE)
        return "first"

    def call() -> None:
        try:
            operation(run)()
        except OperationInProgress:
            pass
        finally:
            connection.close()

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(PATIENCE)
    yield end
    end.set()
    thread.join(PATIENCE)


def test_it_waits_for_one_that_is_in_progress(in_progress: threading.Event) -> None:
    threading.Timer(0.2, in_progress.set).start()
    assert operation(lambda: "second")() == "first"


@pytest.mark.usefixtures("impatient_callers")
def test_it_says_that_one_is_in_progress(in_progress: threading.Event) -> None:
    with pytest.raises(OperationInProgress):
        operation(lambda: "second")()


def test_it_undoes_one_whose_lease_ran_out_when_somebody_else_has_begun_it_again(
    in_progress: threading.Event,
) -> None:
    IdempotencyRecord.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert operation(lambda: "second")() == "second"
    in_progress.set()
    assert operation(lambda: "third")() == "second"


@pytest.mark.full_on("sqlite")
def test_it_is_run_again_at_once_after_its_process_was_killed(in_process: Start) -> None:
    first = in_process(LONG, "first", "database", "main")
    assert first.stdout is not None
    assert first.stdout.readline() == "runs\n"
    first.kill()
    first.communicate()
    assert IdempotencyRecord.objects.get().state == "IN_PROGRESS"
    assert operation(lambda: Group.objects.create(name="effect") and "second")() == "second"
    assert Group.objects.filter(name="effect").count() == 1


def test_it_renews_its_lease(settings: Any) -> None:
    settings.PORTAL_LEASE_SECONDS = 0.4

    def run() -> str:
        began = IdempotencyRecord.objects.get().expires_at
        wait_until(lambda: elsewhere() > began)
        return "done"

    def elsewhere() -> Any:
        return IdempotencyRecord.objects.values_list("expires_at", flat=True).get()

    assert operation(run, effects="external")() == "done"


def test_it_is_part_of_a_transaction_that_the_caller_has_opened() -> None:
    from batches import transaction_manager

    with pytest.raises(ZeroDivisionError), transaction_manager.transaction("batch_1"):
        assert operation(lambda: Group.objects.create(name="effect") and "first")() == "first"
        raise ZeroDivisionError
    assert not IdempotencyRecord.objects.exists()
    assert operation(lambda: "second")() == "second"


def test_it_forgets_what_was_in_progress_for_longer_than_a_day() -> None:
    longer = clock.now() - timedelta(hours=25)
    values = {"state": "IN_PROGRESS", "created_at": longer}
    IdempotencyRecord.objects.create(key=KEY, worker="gone:1:1", expires_at=longer, **values)
    IdempotencyRecord.objects.create(key="0" * 64, expires_at=None, **values)
    assert idempotency_manager.cleanup_expired() == 1
    assert IdempotencyRecord.objects.count() == 1


@pytest.mark.any_database
def test_it_refuses_effects_of_another_kind() -> None:
    with pytest.raises(InvalidInput, match="effects is 'both'"):
        operation(lambda: None, effects="both")
