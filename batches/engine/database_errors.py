"""What an error of the database says about whose fault it is, and whether trying again helps."""

from __future__ import annotations

from django.db import Error as AnyDatabaseError
from django.db import OperationalError, connection

LACKING_STATES = ("42P01", "42703", "42883")
"""Undefined table, column, function."""
LACKING_WORDS = ("no such table", "no such column", "has no column named")
TRANSIENT_STATES = ("40001", "40P01", "55P03")


def first_line(error: Exception) -> str:
    """The first line of a driver's message; some repeat it for every address that they tried."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def sqlstate_of(error: BaseException) -> str:
    """The SQLSTATE of a refusal by PostgreSQL; empty for any other error."""
    return str(getattr(error.__cause__, "pgcode", None) or "")


def is_not_migrated(error: BaseException) -> bool:
    """The database answers, and lacks a table, a column or a function that this version of the code needs."""
    of_sqlite = isinstance(error, OperationalError) and any(words in str(error) for words in LACKING_WORDS)
    return of_sqlite or (isinstance(error, AnyDatabaseError) and sqlstate_of(error) in LACKING_STATES)


def kind_of(error: Exception) -> str:
    """The SQLSTATE of a database's refusal; "connection" when it was lost, so that a commit may have happened."""
    if isinstance(error, AnyDatabaseError):
        return sqlstate_of(error) or ("connection" if connection.vendor == "postgresql" else "locked")
    return type(error).__name__


def is_transient(error: Exception) -> bool:
    """Another transaction was in the way; the same chunk may succeed the next time."""
    locked = isinstance(error, OperationalError) and "locked" in str(error)
    return locked or sqlstate_of(error) in TRANSIENT_STATES


def may_be_an_items_fault(error: Exception) -> bool:
    """Whether an item can have caused this; a database that is full, gone or read-only is nobody's fault."""
    return is_transient(error) or not isinstance(error, OperationalError)
