"""A migration is not broken off for being idle between two statements; what comes after it is limited as before."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import pre_migrate

from batches import migrating

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = "SHOW idle_in_transaction_session_timeout"


def limit() -> Any:
    with connection.cursor() as cursor:
        cursor.execute(LIMIT)
        return cursor.fetchone()[0]


@pytest.fixture
def limited() -> Any:
    """The limit of this session, which is one."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite ends no idle transaction")
    found = limit()
    assert found != "0"
    return found


def test_no_idle_limit_breaks_a_migration_off(limited: Any) -> None:
    found: list[Any] = []

    def look(**kwargs: Any) -> None:
        found.append(limit())

    pre_migrate.connect(look)  # in the order of the apps, of which triage comes after the engine
    try:
        call_command("migrate", verbosity=0)
    finally:
        pre_migrate.disconnect(look)
    assert found[-1] == "0"
    assert limit() == limited


def test_a_pooled_session_is_left_alone(limited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    migrating.lift_idle_limit(using="default")
    assert limit() == limited
