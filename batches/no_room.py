"""A disk without room: whose error that is, and what a person can do about it."""

from __future__ import annotations

import errno
import shutil
from datetime import datetime
from pathlib import Path

from django.db import DatabaseError, connection
from django.utils import timezone

from batches.conf import settings

DISK_FULL = "53100"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
TAKE_ROOM = ("exports", "mail")
"""Directories below PORTAL_VAR whose files a person may remove."""
HARDLY_ANY = 256 * 1024  # bytes


class Refusals:
    """Since when the database takes nothing of this process, for want of room. In memory: there is no other place."""

    since: datetime | None = None

    def note(self, error: BaseException | None) -> None:
        """To be called where a write has failed, with whatever error that was."""
        if isinstance(error, DatabaseError) and is_full_database(error) and self.since is None:
            self.since = timezone.now()

    def forget(self) -> None:
        """There is room again."""
        self.since = None


refusals = Refusals()


def has_no_room(error: BaseException | None) -> bool:
    """Whether a file or the database could not be written because its disk is full, or its quota used up."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    return isinstance(error, DatabaseError) and is_full_database(error)


def is_full_database(error: DatabaseError) -> bool:
    return getattr(error.__cause__, "pgcode", None) == DISK_FULL or "disk is full" in str(error)


def database_has_no_room() -> bool:
    """Whether the disk of the database is as good as full, as far as this machine can see: SQLite's."""
    directory = database_directory()
    return directory is not None and (free_bytes(directory) or HARDLY_ANY) < HARDLY_ANY


def database_directory() -> Path | None:
    """Where SQLite's file is; None for a database of its own machine, or of memory."""
    path = Path(str(connection.settings_dict["NAME"]))
    return path.parent if connection.vendor == "sqlite" and path.is_file() else None


def what_to_free() -> str:
    """For who sent something that could not be stored."""
    return f"The portal's disk is full, so nothing of this was stored. {where_to_free()}; then send it again."


def where_to_free() -> str:
    """How much is free on the disks that this machine sees, and what a person may remove; without a full stop."""
    var = Path(settings.PORTAL_VAR)
    taken = [f"{name} {megabytes(size_of(var / name))}" for name in TAKE_ROOM if (var / name).is_dir()]
    there = f" ({', '.join(taken)})" if taken else ""
    places = [("under PORTAL_VAR", var)]
    if (directory := database_directory()) is not None and directory.stat().st_dev != var.stat().st_dev:
        places.append(("on the database's disk", directory))
    free = ", ".join(f"{where}: {megabytes(free_bytes(path))}" for where, path in places)
    others = "or on the disks of the database and of temporary files"
    return f"Free {free}. Remove old files under PORTAL_VAR{there}, {others}"


def free_bytes(directory: Path) -> int | None:
    """None where that is not to be had."""
    try:
        return shutil.disk_usage(directory).free
    except OSError:
        return None


def size_of(directory: Path) -> int:
    """Bytes of the files in the directory."""
    return sum(path.stat().st_size for path in directory.iterdir() if path.is_file())


def megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1024 / 1024:,.1f} MB"
