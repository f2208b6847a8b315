"""Of the workers of a run the first one migrates; the others begin with what it left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.servers.migrated_once import one_migration


class Creation:
    """Django's, as far as it is asked: a file that is erased, and what was in it when the migrations began."""

    def __init__(self, file: Path) -> None:
        self.file, self.found = file, -1
        self.connection = SimpleNamespace(vendor="sqlite", connection=None, ensure_connection=lambda: None)

    def _create_test_db(self) -> str:
        self.file.unlink(missing_ok=True)
        return str(self.file)


def create(creation: Any) -> str:
    name: str = creation._create_test_db()
    opened = creation.connection.connection = sqlite3.connect(name)
    opened.execute("CREATE TABLE IF NOT EXISTS batch (id)")
    (creation.found,) = opened.execute("SELECT count(*) FROM batch").fetchone()
    if not creation.found:
        with opened:
            opened.execute("INSERT INTO batch VALUES (1)")
    return name


def test_it_begins_every_database_but_the_first_with_what_was_migrated(tmp_path: Path) -> None:
    found = []
    for name in ("gw0", "gw1", "gw2"):
        creation = Creation(tmp_path / name)
        assert one_migration(create, tmp_path)(creation) == str(tmp_path / name)
        with closing(creation.connection.connection):
            found.append(creation.found)

    assert found == [0, 1, 1]


def test_it_keeps_nothing_of_what_the_first_tests_write(tmp_path: Path) -> None:
    first, second = Creation(tmp_path / "gw0"), Creation(tmp_path / "gw1")
    one_migration(create, tmp_path)(first)
    with closing(first.connection.connection) as opened, opened:
        opened.execute("INSERT INTO batch VALUES (2)")
    one_migration(create, tmp_path)(second)

    with closing(second.connection.connection):
        assert second.found == 1
