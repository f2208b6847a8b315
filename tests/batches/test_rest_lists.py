"""GET: batches, items and history, by filter and page."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.models import Batch, Checkpoint, Item
from tests.helpers.check_rows import BAD, GOOD, committed, finished, submitted
from tests.helpers.people import client

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def ids(query: str) -> list[str]:
    return [batch["id"] for batch in client("viewer").get(f"/api/batches?{query}").json()["results"]]


def all_pages(url: str) -> list[dict[str, Any]]:
    """Every row, along the `next` links."""
    viewer, rows = client("viewer"), []
    while url:
        page = viewer.get(url).json()
        rows += page["results"]
        url = page["next"]
    return rows


@committed
def test_it_lists_newest_first_with_progress() -> None:
    submitted("first")
    finished("second")
    newest, oldest = client("viewer").get("/api/batches/").json()["results"]
    assert (newest["id"], newest["outcome"], newest["progress"]["failed"]) == ("second", "with_errors", 1)
    assert (oldest["id"], oldest["status"], oldest["progress"]["remaining"]) == ("first", "PENDING", 2)


@committed
def test_it_filters_batches() -> None:
    submitted("alpha", name="Airports of March")
    finished("beta")
    assert ids("status=COMPLETED") == ["beta"]
    assert ids("status=COMPLETED&status=PENDING") == ["beta", "alpha"]
    assert ids("processor=none") == []
    assert ids("search=march") == ["alpha"]
    assert ids("search=BET") == ["beta"]
    assert ids("created_after=2000-01-01T00:00:00Z") == ["beta", "alpha"]
    assert ids("created_before=2000-01-01T00:00:00Z") == []


def test_it_asks_the_database_no_more_for_more_batches(settings: Any) -> None:
    settings.PORTAL_RATE_PER_CALLER = settings.PORTAL_RATE_PER_ADDRESS = 0  # counted now and then
    viewer, counts = client("viewer"), []
    viewer.get("/api/batches")  # a token's use is noted once a minute
    for number in range(1, 7):
        submitted(f"batch-{number}")
        with CaptureQueriesContext(connection) as queries:
            viewer.get("/api/batches")
        counts.append(len(queries))
    assert counts[-1] == counts[0]


def test_it_asks_why_batches_wait_for_other_workers_once_for_all(settings: Any) -> None:
    settings.PORTAL_RATE_PER_CALLER = settings.PORTAL_RATE_PER_ADDRESS = 0
    viewer, counts = client("viewer"), []
    viewer.get("/api/batches")
    for number in range(3):
        submitted(f"queued-{number}")
        Batch.objects.update(status=Batch.Status.QUEUED)
        with CaptureQueriesContext(connection) as queries:
            viewer.get("/api/batches")
        counts.append(len(queries))
    assert counts[-1] == counts[0]


def test_it_pages_through_all_items_once() -> None:
    submitted(items=tuple({"b": n} for n in range(7)))
    positions = [item["position"] for item in all_pages("/api/batches/b1/items?page_size=3")]
    assert positions == list(range(7))


def test_it_caps_the_size_of_a_page() -> None:
    submitted(items=tuple({"b": n} for n in range(501)))
    assert len(client("viewer").get("/api/batches/b1/items?page_size=100000").json()["results"]) == 500


@committed
def test_it_filters_items() -> None:
    finished(items=(GOOD, BAD, GOOD))
    found = all_pages("/api/batches/b1/items?status=FAILED&code=VALIDATION_FAILED")
    assert [(item["key"], item["payload"]) for item in found] == [("2", BAD)]
    assert [item["key"] for item in all_pages("/api/batches/b1/items?key=3")] == ["3"]
    assert all_pages("/api/batches/b1/items?status=SUCCEEDED&key=2") == []


@committed
@pytest.mark.parametrize(
    ("query", "keys", "reads"),
    [
        ("status=PENDING", [], 0),
        ("status=RUNNING&status=SKIPPED", [], 0),
        ("status=PENDING&status=FAILED", ["2"], 1),
        ("code=ABSENT", [], 1),
        ("code=VALIDATION_FAILED", ["2"], 1),
        ("code=", ["1", "2", "3"], 1),
    ],
)
def test_it_looks_at_no_more_items_than_it_lists(query: str, keys: list[str], reads: int) -> None:
    """Of a status that no item has it looks at none; a code is found by an index."""
    finished(items=(GOOD, BAD, GOOD))
    with CaptureQueriesContext(connection) as captured:
        answer = client("viewer").get(f"/api/batches/b1/items?{query}").json()
    statements = [each["sql"] for each in captured.captured_queries if 'FROM "batches_item"' in each["sql"]]
    assert [item["key"] for item in answer["results"]] == keys
    assert len(statements) == reads
    if query.startswith("code=") and query != "code=" and connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statements[0]}")
            assert "item_code" in str(cursor.fetchall())


@committed
def test_it_shows_the_history() -> None:
    finished()
    history = all_pages("/api/batches/b1/transitions")
    assert [row["to_status"] for row in history] == ["PENDING", "QUEUED", "RUNNING", "COMPLETED"]


def cursor(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "query",
    [
        "status=NO",
        "created_after=yesterday",
        "search=%00",
        "processor=%00",
        "cursor=garbage",
        f"cursor={cursor('p=garbage')}",
        f"cursor={cursor('p=0001-01-01T00:00:00+14:00')}",
        f"cursor={cursor('o=-5&p=2')}",
    ],
)
def test_it_refuses_a_bad_query(query: str) -> None:
    answer = client("viewer").get(f"/api/batches?{query}")
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"]


@pytest.mark.parametrize("query", ["status=NO", "key=%00", f"cursor={cursor('p=abc')}", f"cursor={cursor('p=1e400')}"])
def test_it_refuses_a_bad_query_of_items(query: str) -> None:
    submitted()
    assert client("viewer").get(f"/api/batches/b1/items?{query}").status_code == 400


def test_it_takes_a_cursor_beyond_every_number() -> None:
    submitted()
    answer = client("viewer").get(f"/api/batches/b1/items?cursor={cursor('p=' + '9' * 40)}")
    assert (answer.status_code, answer.json()["results"]) == (200, [])


@committed
@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00%2B14:00", "0319-08-19T01:18:53-19:45", "9999-12-31T23:59:59-12:00"]
)
def test_it_takes_times_that_a_database_may_not_know(time: str) -> None:
    answer = client("viewer").get(f"/api/batches?created_after={time}")
    assert answer.status_code in (200, 400)


def test_it_looks_for_pending_items_behind_what_all_lanes_have_seen() -> None:
    submitted(items=tuple({"b": n} for n in range(7)))
    Item.objects.filter(batch="b1", position__lt=4).update(status=Item.Status.SUCCEEDED)
    Checkpoint.objects.update_or_create(batch_id="b1", lane=0, defaults={"position": 3, "succeeded": 4})
    with CaptureQueriesContext(connection) as captured:
        found = client("viewer").get("/api/batches/b1/items?status=PENDING").json()["results"]
    assert [item["position"] for item in found] == [4, 5, 6]
    assert any('"position" >= 4' in each["sql"] for each in captured)
    Item.objects.filter(batch="b1", position=2).update(status=Item.Status.PENDING, available_at=timezone.now())
    found = client("viewer").get("/api/batches/b1/items?status=PENDING").json()["results"]
    assert [item["position"] for item in found] == [2, 4, 5, 6]
