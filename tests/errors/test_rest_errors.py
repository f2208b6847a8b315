"""GET /api/batches/{id}/errors and /errors/records."""

from __future__ import annotations

import pytest

from errors import error_analyzer
from errors.models import ErrorRecord
from tests.helpers.check_rows import BAD, GOOD, committed, finished, submitted
from tests.helpers.people import client

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


@committed
def test_it_reports_what_failed() -> None:
    finished(items=(GOOD, BAD, BAD, GOOD))
    report = client("viewer").get("/api/batches/b1/errors").json()
    assert (report["total_errors"], report["error_rate"]) == (2, 50.0)
    assert report["errors_by_code"] == {"VALIDATION_FAILED": 2}
    assert report == error_analyzer.aggregate_errors("b1").to_dict()


def test_it_reports_that_nothing_failed() -> None:
    submitted()
    assert client("viewer").get("/api/batches/b1/errors/").json()["total_errors"] == 0


@committed
def test_it_lists_records_by_page_and_filter() -> None:
    finished(items=(BAD, GOOD, BAD, {"c": 1}))
    viewer, group = client("viewer"), ErrorRecord.objects.earliest("pk").group.fingerprint
    first = viewer.get("/api/batches/b1/errors/records?page_size=2").json()
    assert [record["item_key"] for record in first["results"]] == ["1", "3"]
    assert [record["item_key"] for record in viewer.get(first["next"]).json()["results"]] == ["4"]
    assert len(viewer.get(f"/api/batches/b1/errors/records?group={group}").json()["results"]) == 3
    assert viewer.get("/api/batches/b1/errors/records?code=TIMEOUT").json()["results"] == []
    assert len(viewer.get("/api/batches/b1/errors/records?item_key=3").json()["results"]) == 1


@committed
def test_it_shows_no_record_of_another_batch() -> None:
    finished("b1")
    finished("b2", items=(GOOD,))
    assert client("viewer").get("/api/batches/b2/errors/records").json()["results"] == []


@committed
@pytest.mark.parametrize("query", ["cursor=x", "code=%00", "group=" + "f" * 17])
def test_it_refuses_a_bad_query(query: str) -> None:
    finished()
    assert client("viewer").get(f"/api/batches/b1/errors/records?{query}").status_code == 400
