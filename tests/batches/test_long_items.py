"""Items of a caller's run that take longer than a lease, or than a transaction may be idle, in any thread."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from batches import checkpoint_manager, idempotency_manager, operations
from batches.exceptions import InvalidInput, ItemTimeout, NestedRun
from batches.idempotency_manager import idempotent_operation
from batches.models import Batch, Item
from errors.models import ErrorRecord
from tests.helpers.batches import modes, statuses, submitted
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("sqlite")]
Start = Callable[..., "subprocess.Popen[str]"]
ITEMS = [f"item_{n}" for n in range(4)]


def resumed(process: Callable[[Any], Any], items: list[str] = ITEMS, **options: Any) -> dict[str, Any]:
    return checkpoint_manager.resume_from_checkpoint("a", items, process, **({"effects": "external"} | options))


LONG = """
import sys, threading, time
from batches import checkpoint_manager
from django.contrib.auth.models import Group
from django.db import connection

def process(item):
    print(item, flush=True)
    if item == "item_1":
        time.sleep(2.5)
    Group.objects.create(name=item)

checkpoint_manager.resume_from_checkpoint("warm", ["item"], lambda item: None)

def resume():
    items = ["item_0", "item_1", "item_2"]
    for _ in range(2):
        result = checkpoint_manager.resume_from_checkpoint("a", items, process, effects=sys.argv[1])
        print(result["completed"], result["failed"], result["skipped"], flush=True)
    connection.close()

if sys.argv[2] == "thread":
    thread = threading.Thread(target=resume)
    thread.start()
    thread.join()
else:
    resume()
"""


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of processes started afterwards."""
    limits = {"PORTAL_ITEM_TIMEOUT": "0.5", "PORTAL_IDLE_SECONDS": "1", "PORTAL_LEASE_SECONDS": "1.5"}
    for name, seconds in limits.items():
        monkeypatch.setenv(name, seconds)


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize("place", [pytest.param("main", marks=pytest.mark.full), "thread"])
def test_it_runs_an_item_of_any_length_once(place: str, in_process: Start) -> None:
    printed, errors = in_process(LONG, "external", place).communicate(timeout=PATIENCE)
    assert printed.split("\n")[:5] == ["item_0", "item_1", "item_2", "3 0 0", "0 0 3"], errors
    assert Group.objects.filter(name__startswith="item_").count() == 3
    assert operations.verify("a") == []


@pytest.mark.full
@pytest.mark.usefixtures("short_limits")
def test_it_repeats_no_item_for_ever_whose_transaction_the_database_ends(in_process: Start) -> None:
    """In a thread nothing can interrupt it. SQLite lets its transaction be; PostgreSQL ends that."""
    printed, errors = in_process(LONG, "database", "thread").communicate(timeout=PATIENCE)
    tries = printed.split().count("item_1")
    if connection.vendor == "postgresql":
        assert tries == 2, errors  # once a call
        failed = Item.objects.get(batch="a", key="item_1")
        assert (failed.status, failed.code) == ("FAILED", "TIMEOUT")
        assert 'effects="external"' in failed.message
    else:
        assert tries == 1, errors
    assert operations.verify("a") == []


FROZEN = """
import sys
from batches.engine import runner
from tests import processors
processors.MODES["up"] = lambda payload, context: print("up", flush=True) or processors.MODES["sleep"](payload, context)
runner.work_until_idle(sys.argv[1])
"""


@pytest.mark.full
def test_it_blames_no_item_for_the_time_its_process_was_frozen(in_process: Start) -> None:
    """The server ends the transaction of a process that stands still; the item in its hands did nothing."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite ends no transaction that is idle")
    batch = submitted(modes("ok", "up", "ok", effect=True, seconds=0.5), item_timeout=1)
    operations.start(batch.pk)
    worker = in_process(FROZEN, batch.pk)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "up\n"
    worker.send_signal(signal.SIGSTOP)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE state = 'idle in transaction' AND datname = current_database()"""
        )
    time.sleep(1.2)  # longer than the item may take
    worker.send_signal(signal.SIGCONT)
    _, errors = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, errors
    assert statuses(batch) == ["SUCCEEDED"] * 3
    assert not ErrorRecord.objects.exists()


def test_it_holds_no_transaction_and_no_lock_while_an_item_runs() -> None:
    written: list[str] = []

    def write(item: str) -> None:
        try:
            Group.objects.create(name=f"elsewhere/{item}")
            written.append(item)
        finally:
            connection.close()

    def process(item: str) -> None:
        assert not connection.in_atomic_block
        Group.objects.create(name=item)
        thread = threading.Thread(target=write, args=(item,))
        thread.start()
        thread.join(PATIENCE)

    assert resumed(process)["completed"] == 4
    assert written == ITEMS


def test_it_renews_its_lease_while_an_item_runs(settings: Any) -> None:
    settings.PORTAL_LEASE_SECONDS = 0.4

    def process(item: str) -> None:
        before = lease()
        wait_until(lambda: lease() > before)

    def lease() -> Any:
        return Batch.objects.get(pk="a").lanes.get().lease_expires_at

    assert resumed(process, ITEMS[:1])["completed"] == 1


def test_it_saves_every_item_by_itself_and_runs_in_the_callers_thread() -> None:
    indices: list[int] = []
    threads: set[threading.Thread] = set()

    def process(item: str) -> None:
        checkpoint = checkpoint_manager.load_checkpoint("a")
        indices.append(0 if checkpoint is None else checkpoint.current_item_index)
        threads.add(threading.current_thread())
        if item == "item_1":
            raise ValueError(item)

    result = resumed(process)
    assert (result["completed"], result["failed"]) == (3, 1)
    assert (indices, threads) == ([0, 1, 2, 3], {threading.current_thread()})
    assert operations.verify("a") == []


def interrupt(how: str) -> None:
    if how == "Ctrl-C":
        os.kill(os.getpid(), signal.SIGINT)
    raise SystemExit(3)


@pytest.mark.parametrize("how", ["Ctrl-C", "SystemExit"])
def test_it_ends_where_it_is_interrupted_and_fails_no_item(how: str) -> None:
    processed: list[str] = []

    def process(item: str) -> None:
        processed.append(item)
        if processed == ITEMS[:3]:
            interrupt(how)

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        resumed(process)
    statuses = list(Item.objects.filter(batch="a").order_by("position").values_list("status", flat=True))
    assert statuses == ["SUCCEEDED", "SUCCEEDED", "PENDING", "PENDING"]
    assert resumed(process)["completed"] == 2
    assert processed == [*ITEMS[:3], *ITEMS[2:]]
    assert operations.verify("a") == []


def test_it_tells_an_item_that_is_run_again_what_was_done() -> None:
    charged: list[str] = []
    broken = [True]

    def process(item: str) -> None:
        @idempotent_operation(idempotency_manager, "a", item, "process")
        def charge() -> str:
            charged.append(item)
            return item

        assert charge() == item
        if item == "item_2" and broken:
            broken.pop()
            raise SystemExit

    with pytest.raises(SystemExit):
        resumed(process)
    assert resumed(process)["completed"] == 2
    assert charged == ITEMS


def test_it_limits_an_item_only_where_the_caller_does() -> None:
    def process(item: str) -> None:
        if item == "item_1":
            time.sleep(20)

    assert resumed(process, item_timeout=0.3)["failed"] == 1
    assert Item.objects.get(batch="a", failed_at__isnull=False).code == "TIMEOUT"
    assert resumed(lambda item: None, item_timeout=3_600)["completed"] == 1


def test_it_awaits_a_coroutine_function() -> None:
    done: list[str] = []

    async def process(item: str) -> None:
        done.append(item)

    assert resumed(process)["completed"] == 4
    assert done == ITEMS


def test_it_runs_again_what_was_out_when_its_process_was_killed(in_process: Start) -> None:
    first = in_process(LONG.replace("sleep(2.5)", "sleep(60)"), "external", "main")
    assert first.stdout is not None
    while first.stdout.readline() != "item_1\n":
        pass
    first.kill()
    first.communicate()
    processed: list[str] = []
    result = resumed(processed.append, ["item_0", "item_1", "item_2"])
    assert (result["completed"], result["skipped"]) == (2, 1)
    assert processed == ["item_1", "item_2"]


def test_it_refuses_to_run_items_within_a_transaction_of_the_callers() -> None:
    from batches import transaction_manager

    processed: list[str] = []
    with pytest.raises(NestedRun), transaction_manager.transaction("a"):
        resumed(processed.append)
    assert processed == []


@pytest.mark.any_database
@pytest.mark.parametrize("option", [{"effects": "both"}, {"item_timeout": 0}, {"item_timeout": float("inf")}], ids=str)
def test_it_refuses_options_out_of_bounds(option: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"{next(iter(option))} is "):
        resumed(lambda item: None, **option)


def test_a_timeout_is_no_interruption() -> None:
    def process(item: str) -> None:
        raise ItemTimeout("by hand")

    assert resumed(process)["failed"] == 4
