"""What the portal writes is its user's alone: the database, uploads, exports, mails, the key."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from django.core.exceptions import ImproperlyConfigured

from batches.no_room import has_no_room

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def claim(var: Path) -> None:
    """Make the directory, and whatever this process writes from now on, private; mend one that others could read.

    A directory that is shared on purpose, as `/tmp` is, is refused with `ImproperlyConfigured`.
    """
    os.umask(OTHERS)
    make_writable(var)
    mode = var.stat().st_mode
    if mode & stat.S_ISVTX:
        raise ImproperlyConfigured(f"PORTAL_VAR must be a directory of the portal's own: {var} is shared by all users.")
    if not mode & OTHERS:
        return  # whatever stands below, nobody else gets there
    failed = [path for path in (*below(var), var) if not closed(path)]
    print(  # noqa: T201 - logging is not set up yet
        f"{var} could be read by other users of this machine: "
        + (f"{failed[0]} and what else is not this user's still can." if failed else "it is this user's alone now."),
        file=sys.stderr,
    )


def make_writable(var: Path) -> None:
    """Make the directory, if it is not there; `ImproperlyConfigured` where nothing can be written."""
    try:
        var.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=var):
            pass
    except OSError as error:
        if has_no_room(error):
            return  # what has room for nothing may still be read, and says so where something is to be stored
        raise ImproperlyConfigured(
            f"PORTAL_VAR must be a directory that this user can write to: {var}: {error.strerror}. Make it writable, "
            "or set PORTAL_VAR to another."
        ) from None


def below(directory: Path) -> Iterator[Path]:
    for parent, directories, files in os.walk(directory):
        yield from (Path(parent, name) for name in (*directories, *files))


def closed(path: Path) -> bool:
    """Whether the file is private now; one that is gone meanwhile, and a link, which has no mode, count as private."""
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & OTHERS:
            path.chmod(stat.S_IMODE(mode) & ~OTHERS)
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    return True
