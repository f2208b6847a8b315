"""A disk without room: whose error that is, and what a person can do about it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from django.db import DatabaseError

from batches.conf import settings

DISK_FULL = "53100"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
TAKE_ROOM = ("exports", "mail")
"""Directories below PORTAL_VAR whose files a person may remove."""


def has_no_room(error: BaseException | None) -> bool:
    """Whether a file or the database could not be written because its disk is full, or its quota used up."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    return isinstance(error, DatabaseError) and is_full_database(error)


def is_full_database(error: DatabaseError) -> bool:
    return getattr(error.__cause__, "pgcode", None) == DISK_FULL or "disk is full" in str(error)


def what_to_free() -> str:
    """For who sent something that could not be stored."""
    var = Path(settings.PORTAL_VAR)
    try:
        free = megabytes(shutil.disk_usage(var).free)
    except OSError:
        free = "unknown"
    taken = [f"{name} {megabytes(size_of(var / name))}" for name in TAKE_ROOM if (var / name).is_dir()]
    there = f" ({', '.join(taken)})" if taken else ""
    return (
        f"The portal's disk is full, so nothing of this was stored. Free under PORTAL_VAR: {free}. Remove old files "
        f"there{there}, or on the disks of the database and of temporary files; then send it again."
    )


def size_of(directory: Path) -> int:
    """Bytes of the files in the directory."""
    return sum(path.stat().st_size for path in directory.iterdir() if path.is_file())


def megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:,.1f} MB"
