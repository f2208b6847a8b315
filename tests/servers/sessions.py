"""PostgreSQL sessions that outlive their tests: as a new one in all that a test can see, with the server's caches warm.

A new session reads the catalogs and plans every function again, which takes longer than most tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

_spare: list[tuple[int, dict[str, Any], Any]] = []
"""Process, parameters and driver's connection of a session that waits for the next test."""


def end(connection: Any) -> None:
    """Ends Django's connection. Its session is kept, where it is idle and has nothing open."""
    raw = connection.connection
    if connection.vendor != "postgresql" or raw is None or not idle(connection):
        connection.close()
        return
    try:
        with raw.cursor() as cursor:
            cursor.execute("DISCARD ALL")
    except Exception:  # the server has ended it, which a test may have wanted
        connection.close()
        return
    connection.connection = None
    _spare.append((os.getpid(), connection.get_connection_params(), raw))


def idle(connection: Any) -> bool:
    from psycopg2.extensions import TRANSACTION_STATUS_IDLE

    raw = connection.connection
    status = not raw.closed and raw.autocommit and raw.info.transaction_status
    return not connection.in_atomic_block and status == TRANSACTION_STATUS_IDLE


def end_all(test_case: Any) -> bool:
    """In place of `TransactionTestCase._should_reload_connections`, and of the closing it asks for."""
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        end(connection)
    return False


def kept_first(connect: Callable[[Any, dict[str, Any]], Any]) -> Callable[[Any, dict[str, Any]], Any]:
    """In place of PostgreSQL's `get_new_connection`: a session that was kept, unless a child of a fork asks."""

    def get_new_connection(wrapper: Any, parameters: dict[str, Any]) -> Any:
        for kept in _spare:
            if kept[:2] == (os.getpid(), parameters):
                _spare.remove(kept)
                return kept[2]
        return connect(wrapper, parameters)

    return get_new_connection


def close_kept() -> None:
    while _spare:
        _spare.pop()[2].close()
