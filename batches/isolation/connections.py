"""Connections that let nobody end a chunk's transaction or write into it unseen, also past Django.

Named by the settings as the drivers' own factories; a plain connection works too, without this guard.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any

from batches import conf


class TransactionControl(Exception):
    """A processor may not commit or roll back by itself: its effects belong to the chunk's transaction."""


class Guarded:
    """`held` is true while a chunk's items run and are recorded; `before_statement` is then called with each one."""

    held = False
    before_statement: Callable[[], None] | None = None

    def commit(self) -> None:
        self._refuse("commit()")
        super().commit()  # type: ignore[misc]

    def rollback(self) -> None:
        self._refuse("rollback()")
        super().rollback()  # type: ignore[misc]

    def _refuse(self, what: str) -> None:
        if self.held:
            raise TransactionControl(f"The processor called the driver's {what}. {TransactionControl.__doc__}")


def announced(method: Callable[..., Any]) -> Callable[..., Any]:
    """A driver's method that sends statements; the connection's `before_statement` is called first."""

    def announce_and_send(self: Any, *arguments: Any, **named: Any) -> Any:
        connection = self if isinstance(self, Guarded) else self.connection
        if connection.before_statement is not None:
            connection.before_statement()
        return method(self, *arguments, **named)

    return announce_and_send


class GuardedCursor(sqlite3.Cursor):
    """The cursor of those who ask the driver for one; Django brings its own."""

    execute = announced(sqlite3.Cursor.execute)
    executemany = announced(sqlite3.Cursor.executemany)
    executescript = announced(sqlite3.Cursor.executescript)


class GuardedSQLite(Guarded, sqlite3.Connection):
    """`factory` of `sqlite3.connect`."""

    execute = announced(sqlite3.Connection.execute)
    executemany = announced(sqlite3.Connection.executemany)
    executescript = announced(sqlite3.Connection.executescript)

    def cursor(self, factory: Any = GuardedCursor) -> Any:
        return super().cursor(factory)


@cache
def postgresql_class() -> Any:
    """The driver is imported only where it is used."""
    from psycopg2 import extensions

    class GuardedCursor(extensions.cursor):  # type: ignore[misc]
        execute = announced(extensions.cursor.execute)
        executemany = announced(extensions.cursor.executemany)
        callproc = announced(extensions.cursor.callproc)
        copy_expert = announced(extensions.cursor.copy_expert)
        copy_from = announced(extensions.cursor.copy_from)
        copy_to = announced(extensions.cursor.copy_to)

    class GuardedPostgreSQL(Guarded, extensions.connection):  # type: ignore[misc]
        def cursor(self, *arguments: Any, **named: Any) -> Any:
            if self.cursor_factory in (None, extensions.cursor):  # Django and the driver name the plain one
                named.setdefault("cursor_factory", GuardedCursor)
            return super().cursor(*arguments, **named)

    return GuardedPostgreSQL


def guarded_postgresql(*arguments: Any, **named: Any) -> Any:
    """`connection_factory` of `psycopg2.connect`."""
    return postgresql_class()(*arguments, **named)


def guarded(database: dict[str, Any], idle_seconds: float = conf.idle_seconds(60.0)) -> dict[str, Any]:
    """An entry of DATABASES as the engine wants it: guarded, and on PostgreSQL with limits for idle sessions and locks.

    On SQLite its writers wait for each other, and a commit is on the disk. What the entry says itself stays.
    """
    options = dict(database.get("OPTIONS", {}))
    if database["ENGINE"].endswith("sqlite3"):
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        wanted = {"transaction_mode": "IMMEDIATE", "timeout": 20, "factory": GuardedSQLite, "init_command": pragmas}
        return {**database, "OPTIONS": {**wanted, **options}}
    options.setdefault("connection_factory", guarded_postgresql)
    pooled = conf.is_pooled(database)
    if not pooled:
        idle = int(idle_seconds * 1000)
        limits = f"-c idle_in_transaction_session_timeout={idle} -c lock_timeout={idle} -c application_name=batchportal"
        options["options"] = f"{limits} {options.get('options', '')}".strip()
    return {**database, "OPTIONS": options, "DISABLE_SERVER_SIDE_CURSORS": pooled, "CONN_HEALTH_CHECKS": True}
