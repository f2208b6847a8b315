"""The tester tested: with its guards taken away the engine does break, and the checker sees it; each guard alone holds.

A late worker, whose lane was taken over and whose batch somebody else has finished, does its chunk once more from
memory. Three guards stand in its way: the lane's fence, the item's status, and the idempotency row.
"""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from batches import operations, processors
from batches.engine import runner, slices, sql, statements
from batches.engine.statements import AlreadyRemembered, ItemsMoved
from batches.exceptions import LeaseLost
from batches.isolation.guard import Isolation
from batches.lanes import leases
from batches.models import Batch, Checkpoint, Item
from batches.processors.parameters import Params
from tests.chaos import checker, ledger
from tests.helpers.batches import modes, submitted
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
GUARDS = ("fence", "status", "idempotency")
IN_POSTGRESQL = {
    "fence": ("WHERE l.id = lane_id AND l.fence = lane_fence RETURNING", "WHERE l.id = lane_id RETURNING"),
    "status": ("i.id = o.id AND i.status = from_status RETURNING 1", "i.id = o.id RETURNING 1"),
    "idempotency": (
        "WHERE r.expires_at <= clock_timestamp() OR (from_status = 'RUNNING' AND r.state = 'IN_PROGRESS') RETURNING 1",
        "RETURNING 1",
    ),
}
IN_SQLITE = {
    "fence": ("LANE_SQLITE", "AND fence = %s", "AND (fence = %s OR 1 = 1)"),
    "status": ("ITEM_SQLITE", "AND status = '{from_status}'", ""),
    "idempotency": ("REMEMBER_SQLITE", "WHERE expires_at <= excluded.created_at OR", "WHERE 1 = 1 OR"),
}


@pytest.fixture(autouse=True)
def table(engine: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(ledger.CREATE)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE chaos_ledger")


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Take away every guard but the one named (or all)."""

    def leave(kept: str) -> None:
        off = [guard for guard in GUARDS if guard != kept]
        if connection.vendor == "postgresql":
            text = sql.CREATE_RECORD
            for guard in off:
                assert IN_POSTGRESQL[guard][0] in text
                text = text.replace(*IN_POSTGRESQL[guard])
            execute(text.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
            return
        for guard in off:
            name, part, instead = IN_SQLITE[guard]
            assert part in getattr(statements, name)
            monkeypatch.setattr(statements, name, getattr(statements, name).replace(part, instead))

    yield leave
    if connection.vendor == "postgresql":
        execute(sql.CREATE_RECORD.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()  # a session keeps the plan of the function it knew


def late_worker(monkeypatch: pytest.MonkeyPatch) -> Exception | None:
    """Let a late worker do its chunk after another finished the batch; returns what stopped it."""
    operations.submit(processor="chaos.ledger", items=[{"n": n} for n in range(8)], batch_id="late")
    operations.start("late")
    batch = operations.get_batch("late")
    lease, processor = slices.take_lane(batch, None), processors.get(batch.processor)
    assert lease is not None
    slice_ = slices.open_slice(operations.get_batch("late"), processor, Params(), lease, 1e12)
    with transaction.atomic():
        stale = runner.claim_items(slice_, 10)
    assert len(stale.items) == 8
    Checkpoint.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    leases.revoke_expired()
    runner.work_until_idle("late")
    assert checker.violations("late") == []
    monkeypatch.setattr(runner, "claim_items", lambda slice_, most: stale)
    try:
        runner.run_chunk(slice_)
    except (LeaseLost, ItemsMoved, AlreadyRemembered) as stopped:
        return stopped
    return None


@pytest.mark.parametrize("kept", GUARDS)
def test_it_is_held_by_each_guard_alone(kept: str, only: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    only(kept)
    stopped = late_worker(monkeypatch)
    expected = {"fence": LeaseLost, "status": ItemsMoved, "idempotency": AlreadyRemembered}
    assert isinstance(stopped, expected[kept])
    assert checker.violations("late") == []
    assert operations.verify("late") == []


def test_it_breaks_without_any_guard_and_the_checker_sees_it(only: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    only("")
    assert late_worker(monkeypatch) is None
    assert any("doubled" in fault for fault in checker.violations("late"))
    assert operations.verify("late") != []


def test_it_pauses_too_early_if_asked_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """PAUSED at the request: effects come after it, which is what PAUSING exists for."""
    from batches.models import TRANSITIONS

    monkeypatch.setitem(operations.VERBS["pause"], Batch.Status.RUNNING, Batch.Status.PAUSED)
    monkeypatch.setitem(TRANSITIONS[Batch.Status.RUNNING], Batch.Status.PAUSED, "too early")
    operations.submit(processor="chaos.ledger", items=[{"n": n} for n in range(6)], batch_id="early")
    operations.start("early")
    process, seen = runner.process_items, []

    def pause_first(slice_: Any, items: Any) -> Any:
        if not seen:
            seen.append(count())
            if connection.vendor == "sqlite":
                Batch.objects.filter(pk="early").update(status="PAUSED")
            else:
                seconds_door("UPDATE batches_batch SET status = 'PAUSED' WHERE id = 'early'")
        return process(slice_, items)

    monkeypatch.setattr(runner, "process_items", pause_first)
    runner.work_slice("early")
    assert operations.get_batch("early").status == "PAUSED"
    assert count() > seen[0]


def seconds_door(sql: str) -> None:
    """A statement of another session, committed at once."""
    import psycopg2

    other = psycopg2.connect(**connection.get_connection_params() | {"cursor_factory": None})
    other.autocommit = True
    with other.cursor() as cursor:
        cursor.execute(sql)
    other.close()


def count() -> int:
    return int(checker.one("SELECT count(*) FROM chaos_ledger"))


def test_it_never_ends_with_poison_unless_the_item_in_flight_is_committed(
    in_process: Callable[..., subprocess.Popen[str]],
) -> None:
    batch = submitted(modes("ok", "die", "ok"))
    operations.start(batch.pk)
    source = """
import sys
from batches.engine import runner, slices
from batches.lanes import leases
leases.mark_in_flight = lambda lease, item: None
runner.work_until_idle(sys.argv[1])
"""
    deaths = 0
    for _ in range(3):
        worker = in_process(source, batch.pk)
        worker.communicate(timeout=PATIENCE)
        deaths += worker.returncode != 0
    assert deaths == 3
    assert Item.objects.get(batch=batch, position=1).crashes == 0


@pytest.mark.parametrize("check", [True, False])
def test_it_sees_a_transaction_that_ended_without_a_word(check: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite undoes a whole transaction when its disk is full; what comes after would be committed alone."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's transactions do not end by themselves")
    if not check:
        call = Isolation.__call__
        monkeypatch.setattr(
            Isolation, "__call__", lambda self, *args: setattr(self, "locked_at", None) or call(self, *args)
        )
    operations.submit(processor="chaos.ledger", items=[{"n": n} for n in range(5)], batch_id="full")
    operations.start("full")
    undone = iter([True])
    process = runner.process_items

    def fill_disk(slice_: Any, items: Any) -> Any:
        done = process(slice_, items)
        if next(undone, False):
            sqlite3.Connection.rollback(connection.connection)
        return done

    monkeypatch.setattr(runner, "process_items", fill_disk)
    runner.work_until_idle("full")
    assert bool(checker.violations("full")) is not check
