"""No page and no GET keeps PostgreSQL busy for long."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models.query import QuerySet

from tests.helpers.check_rows import committed, submitted
from tests.helpers.people import client, person, signed_in

pytestmark = [committed]
DESK = "/admin/errors/errorgroup/desk/b1/"
ONLY_POSTGRESQL = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no statement_timeout")


def limit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        return str(cursor.fetchone()[0])


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[str]:
    """Every look at a batch takes the database half a minute; what the limit was at each."""
    limits: list[str] = []
    first = QuerySet.first

    def sleep(rows: Any) -> Any:
        if rows.model._meta.label == "batches.Batch":
            limits.append(limit())
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(%s)", [0.0 if limits[-1] == "0" else 30.0])
        return first(rows)

    monkeypatch.setattr(QuerySet, "first", sleep)
    settings.PORTAL_READ_SECONDS = 0.05
    return limits


@ONLY_POSTGRESQL
@pytest.mark.parametrize("pooled", [None, "1000"])
def test_it_ends_a_read_that_takes_too_long(slow: list[str], settings: Any, pooled: str | None) -> None:
    settings.PORTAL_POOLED_IDLE_MS = pooled
    submitted()
    answer = client("viewer").get("/api/batches/b1/progress")
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert "PORTAL_READ_SECONDS" in answer.json()["detail"]
    assert answer.headers["Retry-After"] == "1"
    page = signed_in(person("admin")).get(DESK)
    assert slow == ["50ms", "50ms"]
    assert page.status_code == 503
    assert limit() == "0"


@ONLY_POSTGRESQL
def test_it_leaves_acts_their_time(slow: list[str]) -> None:
    submitted()
    assert client("operator").post("/api/batches/b1/start").status_code == 202
    assert set(slow) == {"0"}


def test_a_page_says_that_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    submitted()
    tab = signed_in(person("admin"))

    def gone(request: Any, batch_id: str) -> None:
        raise OperationalError("connection refused at 10.0.0.7")

    monkeypatch.setattr("errors.desk.views.desk.viewable_batch", gone)
    answer = tab.get(DESK)
    assert answer.status_code == 503
    assert "The database does not answer" in answer.content.decode()
    assert "10.0.0.7" not in answer.content.decode()
