"""The tests' database, migrated by the first of xdist's workers that needs one; the others begin with a copy of it."""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

POSTGRESQL = "test_portal_migrated"
"""The name of the copy that the server keeps."""


def one_migration(create: Callable[..., str], shared: Path) -> Callable[..., str]:
    """In place of `create_test_db`, one worker at a time: with a copy there, its `migrate` has nothing to apply."""
    kept = shared / "migrated-for-tests"

    def create_test_db(creation: Any, *args: Any, **more: Any) -> str:
        with (shared / "migrated-for-tests.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            begin, keep = (
                (in_files, keep_file) if creation.connection.vendor == "sqlite" else (on_server, keep_on_server)
            )
            first = not kept.exists()
            if not first:
                begin(creation, kept)
            name = create(creation, *args, **more)
            if first:
                keep(creation, kept)
        return name

    return create_test_db


def in_files(creation: Any, kept: Path) -> None:
    """Django erases the file that is there and leaves the next one to the first connection."""
    erase = creation._create_test_db

    def erase_and_copy(*args: Any, **more: Any) -> str:
        name: str = erase(*args, **more)
        shutil.copyfile(kept, name)
        return name

    creation._create_test_db = erase_and_copy


def keep_file(creation: Any, kept: Path) -> None:
    creation.connection.ensure_connection()
    with closing(sqlite3.connect(kept.with_suffix(".part"))) as copy:
        creation.connection.connection.backup(copy)
    kept.with_suffix(".part").rename(kept)


def on_server(creation: Any, kept: Path) -> None:
    creation.connection.settings_dict["TEST"]["TEMPLATE"] = kept.read_text()


def keep_on_server(creation: Any, kept: Path) -> None:
    """No session may be open on a database that is copied."""
    from tests.servers.sessions import close_kept

    connection = creation.connection
    connection.close()
    close_kept()
    quote = connection.ops.quote_name
    with creation._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {quote(POSTGRESQL)} TEMPLATE {quote(connection.settings_dict['NAME'])}")
    kept.write_text(POSTGRESQL)
    connection.ensure_connection()
