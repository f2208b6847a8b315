"""Code that runs on a database of an earlier version, or on an empty one, says what has yet to be done."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from batches.models import AccessToken, Batch
from batchportal import migration_state
from tests.helpers.people import browser, client

pytestmark = pytest.mark.django_db


def lose(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_of_tomorrow")


@pytest.mark.parametrize(("words", "table"), [("batch", Batch._meta.db_table), ("token", AccessToken._meta.db_table)])
def test_a_command_says_that_the_database_is_not_set_up(words: str, table: str, capsys: Any) -> None:
    lose(table)
    with pytest.raises(SystemExit) as ended, transaction.atomic():
        call_command(words, "list")
    assert ended.value.code == 4
    answer = capsys.readouterr().err
    assert answer.startswith("The database is not set up for this version: run manage.py migrate. (")
    assert answer.count("\n") == 1


@pytest.mark.parametrize("path", ["/admin/batches/batch/", "/api/batches"])
def test_an_answer_says_that_the_database_is_not_set_up(path: str) -> None:
    tab = browser("admin")
    assert tab.get(path).status_code == 200
    lose(Batch._meta.db_table)
    answer = tab.get(path)
    assert answer.status_code == 503
    assert "manage.py migrate has yet to run" in answer.content.decode()


def test_it_is_not_ready_on_a_database_without_the_tables_that_readiness_reads(monkeypatch: Any) -> None:
    from batchportal import health

    monkeypatch.setattr(health, "unapplied", lambda: ["batches.0001_initial"])
    lose(AccessToken._meta.db_table)
    lose("batches_worker")
    answer = client("anonymous").get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"migrations missing")


def test_it_names_the_migrations_that_are_not_on_record() -> None:
    assert migration_state.unapplied() == []
    last = MigrationRecorder.Migration.objects.filter(app="batches").latest("name")
    last.delete()
    assert migration_state.unapplied() == [f"batches.{last.name}"]
