"""Indexes of big tables are built while a portal goes on writing, and an interrupted build is met as it was left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.state import ProjectState

from batches.models import Batch
from batches.online_indexes import AddIndexOnline, RemoveIndexOnline
from tests.helpers.migration_steps import step_by_step
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
INDEX = "item_code"
INSERT = """
INSERT INTO batches_item (batch_id, position, key, payload, status, attempts, forgiven, crashes, message, code)
VALUES ('b1', %s, %s, '{}', 'PENDING', 0, 0, 0, '', 'X')
"""


@pytest.fixture
def operation() -> Iterator[AddIndexOnline]:
    """The operation that builds the index; whatever a test leaves of that, it is there again afterwards."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer")
    migration = step_by_step().loader.get_migration("batches", "0025_item_code")
    adding = migration.operations[0]
    assert isinstance(adding, AddIndexOnline)
    assert not migration.atomic
    yield adding
    apply(adding)


def state() -> ProjectState:
    return step_by_step().loader.project_state(("batches", "0025_item_code"))


def apply(operation: Any) -> None:
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("batches", editor, state(), state())


def execute(sql: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else None


def validity() -> Any:
    return execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", INDEX)


def oid() -> Any:
    return execute("SELECT to_regclass(%s)::oid", INDEX)


def test_a_build_that_was_interrupted_is_done_again(operation: AddIndexOnline) -> None:
    execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)", INDEX)
    apply(operation)
    assert validity() == [(True,)]


def test_an_index_that_is_whole_is_left_alone(operation: AddIndexOnline) -> None:
    before = oid()
    apply(operation)
    assert oid() == before


def test_a_removal_may_be_repeated(operation: AddIndexOnline) -> None:
    removal = RemoveIndexOnline("item", INDEX)
    apply(removal)
    apply(removal)
    assert validity() == []


def test_others_write_while_it_is_built(operation: AddIndexOnline) -> None:
    """The build waits for whoever wrote before it began, and nobody waits for the build."""
    import psycopg2

    apply(RemoveIndexOnline("item", INDEX))
    Batch.objects.create(pk="b1", processor="test.do", total_items=2)
    server = connection.settings_dict
    place = {"host": server["HOST"], "port": server["PORT"], "user": server["USER"], "dbname": server["NAME"]}

    def build() -> None:
        apply(operation)
        connection.close()

    builder = threading.Thread(target=build)
    with closing(psycopg2.connect(**place)) as earlier, closing(psycopg2.connect(**place)) as later:
        earlier.cursor().execute(INSERT, [0, "earlier"])
        builder.start()
        wait_until(lambda: bool(execute("SELECT 1 FROM pg_stat_progress_create_index WHERE lockers_total > 0")))
        later.cursor().execute("SET lock_timeout = '10s'")
        later.cursor().execute(INSERT, [1, "later"])
        later.commit()
        earlier.commit()
    builder.join(PATIENCE)
    assert validity() == [(True,)]
