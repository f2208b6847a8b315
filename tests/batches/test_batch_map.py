"""The batch map: counted in one statement, kept while nothing changes, and said in words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.charts import batch_map
from batches.charts.batch_map import bins_of_items, hot_stretches, map_now, map_of, stretch_of
from batches.charts.drawing import bars, strip, ticks
from batches.lanes.lane_counts import COUNTERS
from batches.models import Batch, Checkpoint, Item, Map
from batches.pages.item_list import items_between, items_url
from tests.helpers.people import client

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]
Status = Item.Status


def batch_of(statuses: list[str], **more: str) -> Batch:
    batch = Batch.objects.create(pk="b1", processor="test.do", total_items=len(statuses), **more)
    Item.objects.bulk_create(
        Item(batch=batch, position=n, key=str(n), payload={}, status=status) for n, status in enumerate(statuses)
    )
    Item.objects.filter(status__in=Item.FAILED_STATUSES).update(failed_at=timezone.now())
    Checkpoint.objects.create(batch=batch, **{name: statuses.count(name.upper()) for name in COUNTERS})
    return batch


@pytest.mark.parametrize(
    ("total", "stretch"),
    [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (3_376, 5), (5_001, 10), (10**6, 1_000), (10**9, 10**6)],
)
def test_a_bin_holds_a_round_number_of_items(total: int, stretch: int) -> None:
    assert stretch_of(total) == stretch


@pytest.mark.full_on("sqlite")
def test_it_counts_every_item_once_by_outcome() -> None:
    kinds = [Status.SUCCEEDED, Status.SKIPPED, Status.FAILED, Status.QUARANTINED, Status.PENDING, Status.RUNNING]
    found = map_of(batch_of([kind.value for kind in kinds for _ in range(500)]))
    assert (found.stretch, len(found.bins)) == (5, 600)
    assert [sum(n) for n in zip(*found.bins, strict=True)] == [500, 500, 500, 500, 1_000]
    assert found.bins[0] == [5, 0, 0, 0, 0]
    assert found.bins[-1] == [0, 0, 0, 0, 5]
    coarse = client("viewer").get("/api/batches/b1/map?bins=7").json()
    assert (coarse["stretch"], len(coarse["bins"])) == (430, 7)
    assert [sum(n) for n in zip(*coarse["bins"], strict=True)] == [500, 500, 500, 500, 1_000]


def counted(batch: Batch) -> tuple[list[list[int]], list[str]]:
    """The batch's bins counted anew, and the statements that read items for them."""
    Map.objects.all().delete()
    with CaptureQueriesContext(connection) as queries:
        bins = map_of(batch).bins
    return bins, [query["sql"] for query in queries if "GROUP BY" in query["sql"] and "batches_item" in query["sql"]]


ALIKE: dict[str, list[Status]] = {
    "all passed": [Status.SUCCEEDED] * 25,
    "some failed": [Status.SUCCEEDED] * 11 + [Status.FAILED] * 3 + [Status.SUCCEEDED] * 7,
    "some are set aside": [Status.SKIPPED, Status.QUARANTINED, Status.FAILED, Status.SKIPPED],
    "none has begun": [Status.PENDING] * 12,
    "all failed": [Status.FAILED] * 5,
}


@pytest.mark.parametrize("statuses", ALIKE.values(), ids=ALIKE.keys())
def test_it_reads_failures_alone_where_all_others_stand_alike(
    statuses: list[Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_map, "BIN_LIMIT", 4)
    batch = batch_of([status.value for status in statuses])
    bins, statements = counted(batch)
    assert bins == bins_of_items(batch, stretch_of(batch.total_items))
    assert all("failed_at" in statement for statement in statements)


@pytest.mark.parametrize("counters", [{"succeeded": 3, "failed": 1}, {"succeeded": 1, "failed": 2, "skipped": 1}])
def test_it_reads_all_items_where_counters_do_not_say_it(counters: dict[str, int]) -> None:
    batch = batch_of(["SUCCEEDED", "FAILED", "SKIPPED", "FAILED"])
    Checkpoint.objects.update(**dict.fromkeys(COUNTERS, 0) | counters)
    assert counted(batch)[0] == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]]


def test_it_reads_all_items_where_positions_have_gaps() -> None:
    batch = batch_of(["SUCCEEDED", "SUCCEEDED", "SUCCEEDED"])
    Item.objects.filter(position=2).update(position=7)
    assert sum(sum(counts) for counts in counted(batch)[0]) == 3


@pytest.mark.parametrize("bins", ["0", "-1", "x", "1001", "1e3", "9" * 40, "²"])
def test_it_refuses_a_strange_number_of_bins(bins: str) -> None:
    batch_of(["FAILED"])
    assert client("viewer").get("/api/batches/b1/map", {"bins": bins}).status_code == 400


def test_it_is_shown_only_to_those_who_may_look() -> None:
    batch_of(["FAILED"])
    assert client("charlie").get("/api/batches/b1/map").status_code == 403
    assert client("viewer").get("/api/batches/b2/map").status_code == 404


def test_it_counts_again_only_when_a_commit_changed_something() -> None:
    batch = batch_of(["SUCCEEDED", "PENDING"])
    assert map_of(batch).bins == [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        map_of(batch)
    assert not any("GROUP BY" in query["sql"] for query in queries)
    Item.objects.filter(position=1).update(status=Status.FAILED, failed_at=timezone.now())
    Checkpoint.objects.filter(batch=batch).update(failed=1, sequence=1)
    assert map_of(batch).bins[1] == [0, 0, 1, 0, 0]


def test_a_moving_batch_is_counted_now_and_then() -> None:
    batch = batch_of(["SUCCEEDED"], status=Batch.Status.RUNNING)
    map_of(batch)
    Checkpoint.objects.filter(batch=batch).update(sequence=1)
    assert map_of(batch).current is False
    Map.objects.update(at=timezone.now() - timedelta(seconds=60))
    assert map_of(batch).current is True


def test_a_large_batch_is_not_counted_while_its_page_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_map, "IN_PAGE_LIMIT", 1)
    batch = batch_of(["SUCCEEDED", "FAILED"])
    assert map_now(batch) is None
    map_of(batch)
    shown = map_now(batch)
    assert shown is not None
    assert shown.words == (
        "Batch map of 2 items by position: 1 done, 1 failed. Failures lie thickest at item 1: 1 of 1 failed."
    )


def test_it_names_the_stretches_where_failures_lie_thickest() -> None:
    bins = [[10, 0, 0, 0, 0] for _ in range(100)]
    for place in range(30, 33):
        bins[place] = [1, 0, 8, 1, 0]
    bins[50] = [8, 0, 2, 0, 0]
    found = hot_stretches(1_000, 10, bins)
    assert [one.words for one in found] == ["items 300 to 329: 27 of 30 failed", "items 500 to 509: 2 of 10 failed"]
    assert hot_stretches(1_000, 10, [[10, 0, 0, 0, 0]] * 100) == []


def test_a_failure_among_thousands_can_be_seen() -> None:
    paths = strip([[9_999, 0, 1, 0, 0], [10_000, 0, 0, 0, 0]], (2, 0), 40)
    assert paths == {2: "M0 40v-2h1v2z", 0: "M0 38v-38h1v38zM1 40v-40h1v40z"}
    assert bars([0, 1, 1_000], 20) == "M1 20v-2h1v2zM2 20v-20h1v20z"
    assert ticks([[5, 5], [0, 10]], 0, 10) == "M500 0h2v6h-2zM0 0h1000v6h-1000z"
    assert bars([], 20) == ""


def test_a_column_opens_its_items_by_index(user_of: Any) -> None:
    batch_of(["SUCCEEDED", "FAILED", "FAILED", "PENDING"])
    Item.objects.filter(status="FAILED").update(failed_at=timezone.now(), code="<b>bad</b>")
    browser = Client()
    browser.force_login(user_of("viewer"))
    batch = Batch.objects.get()
    for address, title, rows in (
        (items_between(batch, 1, 3), "Items 1 to 3 of b1", 3),
        (items_between(batch, 1, 3, failed=True), "Failed items 1 to 3 of b1", 2),
        (items_between(batch, 2, 2), "Item 2 of b1", 1),
        (items_url(batch), "Items of b1", 4),
        ("/admin/batches/item/?batch__id__exact=%00&position__gte=x", "Items", None),
    ):
        page = browser.get(address, follow=True).content.decode()
        if rows is not None:
            assert f"<h1>{title}</h1>" in page
            assert page.count('class="action-checkbox"') in (0, rows)
            assert page.count("field-key") == rows
        assert "<b>bad</b>" not in page


def test_without_a_script_the_map_of_a_large_batch_is_drawn_when_asked(
    user_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_map, "IN_PAGE_LIMIT", 1)
    batch, browser = batch_of(["SUCCEEDED", "FAILED"]), Client()
    browser.force_login(user_of("viewer"))
    page = browser.get(batch.get_absolute_url()).content.decode()
    assert '<noscript><p><a href="?draw=1">' in page
    assert 'class="bp-o-failed"' not in page
    page = browser.get(f"{batch.get_absolute_url()}?draw=1").content.decode()
    assert '<path class="bp-o-failed"' in page
    assert 'id="map-data"' in page
