"""Tokens that stood readable in the table of `rest_framework.authtoken` go on, and are readable nowhere."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from rest_framework.test import APIClient

from batches.models import AccessToken
from tests.helpers.canaries import columns_with
from tests.helpers.people import person

KEY = "0123456789abcdef0123456789abcdef01234567"
migration = import_module("batches.migrations.0015_tokens_hashed")
pytestmark = pytest.mark.django_db
TABLE = (
    "CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamp NOT NULL, user_id integer NOT NULL)"
)


def table_of_before() -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        now = datetime.now(UTC).isoformat()
        cursor.execute("INSERT INTO authtoken_token VALUES (%s, %s, %s)", [KEY, now, person("operator").pk])
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('authtoken', '0001_initial', %s)", [now]
        )


def status(key: str) -> int:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {key}")
    return int(client.get("/api/batches").status_code)


def take_over() -> None:
    migration.take_over(apps, SimpleNamespace(connection=connection))


def test_a_token_goes_on_and_is_readable_nowhere() -> None:
    table_of_before()
    take_over()
    assert status(KEY) == 200
    assert (status(KEY[:12]), status(KEY[:-1])) == (401, 401)
    assert AccessToken.objects.get().scope == "admin"
    assert columns_with([KEY]) == set()
    assert "authtoken_token" not in connection.introspection.table_names()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_migrations WHERE app = 'authtoken'")
        assert cursor.fetchone() == (0,)


def test_a_project_keeps_its_own_table(monkeypatch: pytest.MonkeyPatch) -> None:
    table_of_before()
    monkeypatch.setattr(migration, "installed", SimpleNamespace(is_installed=lambda app: True))
    take_over()
    assert status(KEY) == 200
    assert columns_with([KEY]) == {"authtoken_token.key"}


def test_a_database_without_tokens_is_left_alone() -> None:
    take_over()
    assert not AccessToken.objects.exists()
