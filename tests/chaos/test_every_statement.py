"""Dying, and losing the database, at every statement and commit of a batch's run: nothing lost, nothing doubled.

A forked child works on a batch and is hurt at its n-th statement, for n = 1, 2, 3 … until a run gets through unhurt.
Whoever comes next must finish the batch, and the tables must hold every promise. `make full` takes every single
statement in every mode; `make test` every commit, and of the statements a tenth in all.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import Error as AnyDatabaseError
from django.db import OperationalError, connection, transaction

from batches import operations
from batches.engine import runner
from batches.models import Batch
from tests.chaos import checker, ledger

pytestmark = [
    pytest.mark.usefixtures("engine"),
    # The child of the fork works on a batch, and ends without ever going back to the tests: no lock of theirs matters.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"),
]
ITEMS, CHUNK, AT_MOST = 12, 5, 400
TURNS = 10  # the statements of a mode are shared out among so many tests
LEASE = 1.0  # a lane taken by a statement whose reply was lost stays leased to nobody's use
UNHURT, HURT, BROKE = 0, 7, 8


@pytest.fixture(autouse=True)
def table(engine: None, settings: Any) -> Iterator[None]:
    settings.PORTAL_LEASE_SECONDS, settings.PORTAL_ITEM_TIMEOUT = LEASE, LEASE / 2
    with connection.cursor() as cursor:
        cursor.execute(ledger.CREATE)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE chaos_ledger")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def lose_connection() -> None:
    """As when the server or the network goes away: the connection is gone, and nobody knows what the server did.

    SQLite has no server to lose; its disk fails, which undoes the whole transaction.
    """
    if connection.vendor == "sqlite":
        sqlite3.Connection.rollback(connection.connection)  # what refuses this to processors is not asked
        raise OperationalError("disk I/O error")
    connection.connection.close()
    raise OperationalError("server closed the connection unexpectedly")


class Fault:
    """Counts statements or commits, and strikes at the n-th, before or after it is done."""

    def __init__(self, n: int, strike: Callable[[], None], *, after: bool, commits: bool) -> None:
        self.n, self.strike, self.after, self.commits = n, strike, after, commits
        self.seen, self.struck = 0, False

    def around(self, act: Callable[[], Any]) -> Any:
        self.seen += 1
        mine = self.seen == self.n and not self.struck
        self.struck = self.struck or mine
        if mine and not self.after:
            self.strike()
        result = act()
        if mine and self.after:
            self.strike()
        return result

    def on_statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        return self.around(lambda: execute(sql, params, many, context))


MODES: dict[str, dict[str, Any]] = {
    "killed before a statement": {"strike": die, "after": False, "commits": False},
    "killed after a statement": {"strike": die, "after": True, "commits": False},
    "killed before a commit": {"strike": die, "after": False, "commits": True},
    "killed after a commit": {"strike": die, "after": True, "commits": True},
    "cut off before a statement": {"strike": lose_connection, "after": False, "commits": False},
    "cut off after a statement": {"strike": lose_connection, "after": True, "commits": False},
    "cut off before a commit": {"strike": lose_connection, "after": False, "commits": True},
    "the reply to a commit lost": {"strike": lose_connection, "after": True, "commits": True},
}


AT_COMMITS = [mode for mode, how in MODES.items() if how["commits"]]
AT_STATEMENTS = [mode for mode, how in MODES.items() if not how["commits"]]


@pytest.mark.parametrize("mode", AT_COMMITS)
@pytest.mark.full_on("sqlite")
def test_it_survives_at_every_commit(mode: str) -> None:
    assert survive(mode, range(1, AT_MOST)) > 6


@pytest.mark.full
@pytest.mark.parametrize("turn", range(TURNS))
@pytest.mark.parametrize("mode", AT_STATEMENTS)
def test_it_survives_at_every_statement(mode: str, turn: int) -> None:
    assert survive(mode, range(1 + turn, AT_MOST, TURNS)) > 2 * TURNS


def survive(mode: str, points: range) -> int:
    """Hurt a batch at one point after the other; returns the first point that its run no longer comes to."""
    for n in points:
        batch_id = f"point-{n}"
        items = [{"fails": k == 7} for k in range(ITEMS)]
        operations.submit(processor="chaos.ledger", items=items, batch_id=batch_id, checkpoint_every=CHUNK)
        operations.start(batch_id)
        end = in_a_child(batch_id, Fault(n, **MODES[mode]))
        assert end in (UNHURT, HURT, -signal.SIGKILL), f"{mode} {n}: the child broke"
        runner.work_until_idle(batch_id)
        faults = [*checker.violations(batch_id), *operations.verify(batch_id)]
        assert not faults, f"{mode} {n}: {faults}"
        forget(batch_id)
        if end == UNHURT:
            return n
    pytest.fail(f"{mode}: no end after {AT_MOST} points")


def in_a_child(batch_id: str, fault: Fault) -> int:
    """How the child ended: its exit code, or minus the signal that killed it."""
    connection.close()
    faulthandler.cancel_dump_traceback_later()  # pytest's watchdog does not survive the fork
    child = os.fork()
    if child == 0:
        try:
            work(batch_id, fault)
            os._exit(HURT if fault.struck else UNHURT)
        except BaseException:
            traceback.print_exc()
            os._exit(BROKE)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def work(batch_id: str, fault: Fault) -> None:
    """In the child; a slice that the lost connection ended is followed by another, as Celery's messages are."""
    connection.ensure_connection()
    if fault.commits:
        commit = connection._commit
        connection._commit = lambda: fault.around(commit)  # type: ignore[method-assign]
    else:
        connection.execute_wrappers.append(fault.on_statement)
    for _ in range(3):
        try:
            runner.work_until_idle(batch_id)
            return
        except AnyDatabaseError:
            connection.close()


@transaction.atomic
def forget(batch_id: str) -> None:
    """Leave nothing for the next round to find."""
    Batch.objects.get(pk=batch_id).delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM chaos_ledger")
        cursor.execute("DELETE FROM batches_idempotencyrecord")
