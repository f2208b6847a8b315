"""Connections that refuse to commit or roll back within a chunk, also past Django.

Named by the settings as the drivers' own factories; a plain connection works too, without this guard.
"""

from __future__ import annotations

import sqlite3
from typing import Any


class TransactionControl(Exception):
    """A processor may not commit or roll back by itself: its effects belong to the chunk's transaction."""


class Guarded:
    """`held` is true while a chunk's items run and are recorded."""

    held = False

    def commit(self) -> None:
        self._refuse("commit()")
        super().commit()  # type: ignore[misc]

    def rollback(self) -> None:
        self._refuse("rollback()")
        super().rollback()  # type: ignore[misc]

    def _refuse(self, what: str) -> None:
        if self.held:
            raise TransactionControl(f"The processor called the driver's {what}. {TransactionControl.__doc__}")


class GuardedSQLite(Guarded, sqlite3.Connection):
    """`factory` of `sqlite3.connect`."""


def guarded_postgresql(*arguments: Any, **named: Any) -> Any:
    """`connection_factory` of `psycopg2.connect`."""
    from psycopg2.extensions import connection

    class GuardedPostgreSQL(Guarded, connection):  # type: ignore[misc]
        pass

    return GuardedPostgreSQL(*arguments, **named)
