"""The database has the functions that the engine calls: a change of their text comes with a migration."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection

import batches.migrations
from batches.engine import sql

MIGRATIONS = [path.read_text() for path in sorted(Path(batches.migrations.__file__).parent.glob("0*.py"))]
FUNCTIONS = {
    sql.CLAIM: sql.CREATE_CLAIM,
    sql.CLAIM_CALLS: sql.CREATE_CLAIM_CALLS,
    sql.RECORD: sql.CREATE_RECORD,
    sql.RECORD_CALLS: sql.CREATE_RECORD_CALLS,
}


@pytest.mark.any_database
@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_created_by_one_migration_with_the_text_that_the_engine_has(name: str) -> None:
    (creating,) = [text for text in MIGRATIONS if f"CREATE FUNCTION {name}(" in text]
    assert FUNCTIONS[name] in creating, f"{name} has changed: give it another name, and a migration that creates it"


@pytest.mark.any_database
def test_it_is_frozen_in_its_migration() -> None:
    assert not [text for text in MIGRATIONS if "batches.engine" in text.replace("`batches.engine.sql`", "")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_in_the_database(name: str, db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no functions")
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [name])
        (body,) = cursor.fetchone()
    assert body in FUNCTIONS[name]
