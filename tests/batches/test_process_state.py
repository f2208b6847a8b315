"""What an item does to its process or its session is not what the next item finds."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from batches import operations
from batches.isolation import guard, process_state
from tests import processors
from tests.helpers.batches import modes, ran, statuses

pytestmark = pytest.mark.usefixtures("engine")


def spoil_process() -> None:
    os.chdir("/")
    os.environ["PORTAL_LEFT_BEHIND"] = "x"
    os.environ.pop("PATH")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    socket.setdefaulttimeout(0.001)
    timezone.activate("Asia/Tokyo")


def process() -> list[Any]:
    variables = sorted(set(os.environ) & {"PATH", "PORTAL_LEFT_BEHIND"})
    handler = signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    return [os.getcwd(), variables, handler, socket.getdefaulttimeout(), timezone.get_current_timezone_name()]


def set_session(*statements: str) -> Callable[[], None]:
    def spoil() -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    return spoil


def session(question: str) -> Callable[[], list[Any]]:
    def answer() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(question)
            return list(cursor.fetchone())

    return answer


SESSIONS = {
    "postgresql": [
        (("SET statement_timeout = 1234567",), "SHOW statement_timeout"),
        (("SET LOCAL work_mem = '7MB'",), "SHOW work_mem"),
        (("SELECT set_config('work_mem', '7MB', false)",), "SHOW work_mem"),
        (("CREATE TEMP TABLE left_behind (n int)",), "SELECT to_regclass('left_behind')::text"),
    ],
    "sqlite": [(("PRAGMA recursive_triggers = 1",), "PRAGMA recursive_triggers")],
}


def run(spoil: Callable[[], None], look: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """What three items find, between which two others did their worst, one of them failing."""
    found: list[list[Any]] = []

    def bad(payload: dict[str, Any], context: Any) -> None:
        spoil()
        if payload["n"] == 3:
            raise RuntimeError("and it failed")

    monkeypatch.setitem(processors.MODES, "bad", bad)
    monkeypatch.setitem(processors.MODES, "look", lambda payload, context: found.append(look()))
    batch = ran(modes("look", "bad", "look", "bad", "look"), max_attempts=1)
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert operations.verify(batch.pk) == []
    return found


def test_it_puts_the_process_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = run(spoil_process, process, monkeypatch)
    assert others == [first, first]
    assert process()[:2] == first[:2]


@pytest.mark.parametrize("number", range(4))
def test_it_gives_the_next_item_a_session_as_it_was(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if number >= len(SESSIONS[connection.vendor]):
        pytest.skip("said on the other database")
    statements, question = SESSIONS[connection.vendor][number]
    first, *others = run(set_session(*statements), session(question), monkeypatch)
    assert others == [first, first]


@pytest.mark.parametrize(
    ("sql", "changes", "outlives"),
    [
        ("SELECT 1", False, True),
        ("UPDATE t SET x = 1", False, True),
        ("INSERT INTO settings VALUES (1)", False, True),
        (" set local x = 1", True, False),
        ("SET CONSTRAINTS ALL IMMEDIATE", True, False),
        ("SET ROLE other", True, True),
        ("CREATE TEMPORARY TABLE t (n int)", True, True),
        ("SELECT pg_advisory_lock(1)", True, True),
    ],
)
def test_it_knows_what_changes_a_session(sql: str, changes: bool, outlives: bool) -> None:
    assert process_state.changes_session(sql) is changes
    if changes:
        assert process_state.outlives_transaction(sql) is outlives


@pytest.mark.parametrize(
    ("sql", "controls"),
    [
        ("COMMIT", True),
        ("select 1; rollback", True),
        ("SELECT 'x''y'; COMMIT -- done", True),
        ("/* why */ ABORT", True),
        ("ROLLBACK TO SAVEPOINT mine", False),
        ("INSERT INTO notes VALUES ('a; commit; b')", False),
        ("DO $$ BEGIN PERFORM 1; END $$", False),
        ("DO $x$ BEGIN PERFORM 1; END $x$; COMMIT", True),
        ('SELECT "; commit" FROM t', False),
    ],
)
def test_it_knows_what_would_end_the_transaction(sql: str, controls: bool) -> None:
    assert guard.controls_transaction(sql) is controls
