"""That the database's disk is full, also where it takes not even the pause of a batch, which would say so.

A process that was refused has it in memory, and looks for room until there is some. On PostgreSQL a worker that waits
until it can write holds an advisory lock besides: that takes no room, every process sees it, and it ends with the
session.
"""

from __future__ import annotations

from time import monotonic

from django.db import DatabaseError, connection

from batches.conf import settings
from batches.extensions import Notice
from batches.lifecycle import waiting_for_room
from batches.no_room import database_has_no_room, refusals, where_to_free

LOCK = int.from_bytes(b"no room")
LONGEST_PAUSE = 60.0
"""Seconds between two looks for room: so long a notice may outlive its reason."""
looks = waiting_for_room.Pauses(LONGEST_PAUSE)
_shown_by: list[object] = []
"""The session that holds the lock."""


def show(error: BaseException) -> None:
    """What this process holds cannot be written for want of room: everybody is to know."""
    refusals.note(error)
    if not has_locks() or connection.connection in _shown_by:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        _shown_by[:] = [connection.connection] if cursor.fetchone()[0] else []  # else another worker says so


def hide() -> None:
    """It could be written."""
    refusals.forget()
    if not _shown_by:
        return
    if connection.connection in _shown_by:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    _shown_by.clear()


def has_locks() -> bool:
    """Whether sessions have locks of their own: not on SQLite, nor behind a pooler that shares them out."""
    return connection.vendor == "postgresql" and not settings.PORTAL_POOLED_IDLE_MS


def seen_by_worker() -> str:
    """An expression that is true while a worker waits for room."""
    return f"NOT pg_try_advisory_xact_lock_shared({LOCK})" if has_locks() else "FALSE"


def notices(seen: bool) -> list[Notice]:
    """What every page says, given what the worker's lock says."""
    free = f"{where_to_free()}." if seen or is_met() or database_has_no_room() else ""
    if not free:
        return []
    if refusals.since is not None:
        return [Notice("The database's disk is full, and nothing can be written, since", refusals.since, f". {free}")]
    return [Notice(f"The database's disk is full. {free}")]


def is_full() -> bool:
    """As far as this process can see."""
    return is_met() or database_has_no_room() or is_seen_by_worker()


def is_seen_by_worker() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {seen_by_worker()}")
        return bool(cursor.fetchone()[0])


def is_met() -> bool:
    """Whether this process was refused, and has found no room since."""
    if refusals.since is None:
        looks.forget(monotonic())
    elif looks.is_over(monotonic()) and has_room_again():
        refusals.forget()
    return refusals.since is not None


def has_room_again() -> bool:
    try:
        return not connection.in_atomic_block and waiting_for_room.there_is_room()
    except DatabaseError:  # it says itself what is wrong with it
        return False
