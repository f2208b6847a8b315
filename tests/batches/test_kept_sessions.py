"""The tests' own PostgreSQL sessions, which one test hands on to the next."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from tests.servers.sessions import end

pytestmark = [
    pytest.mark.usefixtures("engine"),
    pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has no sessions"),
]


def asked(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_it_hands_on_a_session_as_a_new_one() -> None:
    end(connection)
    connection.connect()
    before, limit = asked("SELECT pg_backend_pid()"), asked("SHOW statement_timeout")
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 12345; SET TIME ZONE 'Asia/Tokyo'; CREATE TEMP TABLE left_over (n int)")
    end(connection)
    assert asked("SELECT pg_backend_pid()") == before
    assert (asked("SHOW statement_timeout"), asked("SHOW TimeZone")) == (limit, "UTC")
    assert asked("SELECT to_regclass('pg_temp.left_over')") is None


def test_it_ends_a_session_that_has_a_transaction_open() -> None:
    before = asked("SELECT pg_backend_pid()")
    connection.set_autocommit(False)
    asked("SELECT 1")
    end(connection)
    assert asked("SELECT pg_backend_pid()") != before
    assert connection.get_autocommit()
