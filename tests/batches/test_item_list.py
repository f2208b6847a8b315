"""The item list of the admin at any size: what is counted, in which order, and what the database is asked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from batches.admin import item_paging, item_windows, long_lists
from batches.models import Batch, Checkpoint, Item
from tests.helpers.batches import modes, ran
from tests.helpers.people import UserOf, signed_in

pytestmark = pytest.mark.usefixtures("engine")

ITEMS = "admin:batches_item_changelist"


@pytest.fixture
def batch() -> Batch:
    return ran(modes(*["ok"] * 8, "error", "ok"))


@pytest.fixture
def client(user_of: UserOf) -> Client:
    return signed_in(user_of("viewer"))


def listed(client: Client, **query: str) -> Any:
    answer = client.get(reverse(ITEMS), query)
    assert answer.status_code == 200, answer.status_code
    return answer.context["cl"]


@pytest.fixture
def large(batch: Batch) -> Batch:
    """With as many items that a database, once it has looked at the table, does not read them all."""
    failed = {"status": "FAILED", "failed_at": batch.created_at}
    Item.objects.bulk_create(
        Item(batch=batch, position=n, key=f"More-{n}", payload={}, **(failed if n % 33 == 0 else {}))
        for n in range(10, 5_010)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return batch


def plan_of(items: Any) -> str:
    return str(items.explain())


@pytest.mark.full_on("sqlite")
def test_it_lists_a_batch_by_the_index_of_positions_without_sorting(client: Client, large: Batch) -> None:
    for query in ({}, {"failed_at__isnull": "False"}):
        items = listed(client, batch__id__exact=large.pk, **query)
        assert tuple(items.queryset.query.order_by) == ("batch_id", "position")
        plan = plan_of(items.queryset[:100])
        assert "Sort" not in plan
        if connection.vendor == "postgresql":  # whose planner has counted the rows
            assert ("item_failed" if query else "item_position") in plan


@pytest.mark.full_on("sqlite")
def test_it_finds_a_key_by_its_index(client: Client, large: Batch) -> None:
    key = "More-700"
    for typed in (key, f" {key} "):
        for query in ({"batch__id__exact": large.pk}, {}):
            items = listed(client, q=typed, **query)
            assert [item.key for item in items.result_list] == [key]
            assert "UPPER" not in str(items.queryset.query).upper().split("WHERE")[1].replace(key.upper(), "")
    plan = plan_of(listed(client, q=key, batch__id__exact=large.pk).queryset)
    assert ("item_key" if connection.vendor == "postgresql" else "(batch_id=? AND key=?)") in plan


def test_it_finds_a_key_of_capitals_or_small_letters_however_it_is_typed(client: Client, batch: Batch) -> None:
    for position, key in ((10, "SKU-1"), (11, "sku-2")):
        Item.objects.create(batch=batch, position=position, key=key, payload={})
    for typed, key in (("sku-1", "SKU-1"), ("Sku-1", "SKU-1"), ("SKU-2", "sku-2")):
        assert [item.key for item in listed(client, q=typed).result_list] == [key]


def test_it_counts_no_item_where_the_lanes_have(client: Client, batch: Batch) -> None:
    for query, count in (({}, 10), ({"failed_at__isnull": "False"}, 1), ({"status__exact": "SUCCEEDED"}, 9)):
        with CaptureQueriesContext(connection) as statements:
            items = listed(client, batch__id__exact=batch.pk, **query)
        assert (items.result_count, len(items.result_list)) == (count, count)
        counting = [each["sql"] for each in statements if "COUNT(" in each["sql"] and "batches_item" in each["sql"]]
        assert counting == []


def test_it_reads_no_item_of_a_status_that_none_has(client: Client, batch: Batch) -> None:
    for status in ("SKIPPED", "PENDING"):
        with CaptureQueriesContext(connection) as statements:
            assert list(listed(client, batch__id__exact=batch.pk, status__exact=status).result_list) == []
        assert not [each["sql"] for each in statements if f"'{status}'" in each["sql"]]


def test_it_says_how_far_it_has_counted(client: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_lists, "COUNTED_ROWS", 5)
    assert listed(client).result_count == "5+"
    assert "5+ items" in client.get(reverse(ITEMS)).content.decode()


def test_it_has_every_item_on_one_page(client: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_paging, "OFFSET_ROWS", 3)
    monkeypatch.setattr("batches.admin.item_admin.ItemAdmin.list_per_page", 3)
    monkeypatch.setattr("batches.admin.item_admin.ItemAdmin.list_max_show_all", 3)
    for query, positions in (({}, list(range(10))), ({"status__exact": "SUCCEEDED"}, [*range(8), 9])):
        pages = [listed(client, batch__id__exact=batch.pk, p=str(p), **query).result_list for p in (1, 2, 3)]
        pages += [listed(client, batch__id__exact=batch.pk, p="4").result_list] if not query else []
        assert [item.position for page in pages for item in page] == positions


def test_it_sorts_a_large_batch_by_columns_with_an_index_alone(
    client: Client, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = list(listed(client).list_display)

    def order(column: str, **query: str) -> str:
        """What the list is sorted by first, after its column was asked for."""
        return str(listed(client, o=f"-{columns.index(column)}", **query).queryset.query.order_by[0])

    assert order("attempts", batch__id__exact=batch.pk) == "-attempts"
    monkeypatch.setattr(long_lists, "SORTED_ROWS", 5)
    assert order("attempts", batch__id__exact=batch.pk) == "batch_id"
    assert order("key", batch__id__exact=batch.pk) == "-key"
    assert order("key") == "batch_id"


@pytest.fixture
def running(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """Of 10 items one was skipped, one runs, and three are to be run still; one of the first waits for another try."""
    monkeypatch.setattr(item_windows, "WINDOW", 3)
    now = batch.created_at
    for position, values in {
        2: {"status": "SKIPPED"},
        6: {"status": "RUNNING", "claimed_at": now},
        1: {"status": "PENDING", "available_at": now},
        7: {"status": "PENDING"},
        8: {"status": "PENDING", "failed_at": None},
        9: {"status": "PENDING"},
    }.items():
        Item.objects.filter(batch=batch, position=position).update(**values)
    Checkpoint.objects.filter(batch=batch).update(position=6, succeeded=4, skipped=1, failed=0)
    Batch.objects.filter(pk=batch.pk).update(status="RUNNING", finished_at=None)
    return batch


def test_it_walks_by_windows_to_items_of_a_status_without_an_index(client: Client, running: Batch) -> None:
    """PostgreSQL took few items of a batch to have a status, and read those of all batches from end to end."""
    for status, positions in (("PENDING", [1, 7, 8, 9]), ("SKIPPED", [2]), ("SUCCEEDED", [0, 3, 4, 5])):
        with CaptureQueriesContext(connection) as statements:
            items = listed(client, batch__id__exact=running.pk, status__exact=status)
        assert (items.result_count, [item.position for item in items.result_list]) == (len(positions), positions)
        reading = [each["sql"] for each in statements if f"'{status}'" in each["sql"] and "LIMIT 1)" not in each["sql"]]
        assert all("position < " in sql or '"position" IN' in sql for sql in reading), reading


def test_it_looks_for_pending_items_behind_those_that_lanes_have_seen(client: Client, running: Batch) -> None:
    Item.objects.filter(batch=running, position=1).update(status="SUCCEEDED", available_at=None)
    with CaptureQueriesContext(connection) as statements:
        listed(client, batch__id__exact=running.pk, status__exact="PENDING")
    walked = [each["sql"] for each in statements if "position >= " in each["sql"]]
    assert len(walked) == 1
    assert "position >= 7" in walked[0]


def test_it_finds_items_that_run_by_their_index(client: Client, running: Batch) -> None:
    for query in ({"batch__id__exact": running.pk}, {}):
        items = listed(client, status__exact="RUNNING", **query)
        assert [item.position for item in items.result_list] == [6]
        assert '"claimed_at" IS NOT NULL' in str(items.queryset.query)


def test_it_has_every_page_of_a_status(client: Client, running: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("list_per_page", "list_max_show_all"):
        monkeypatch.setattr(f"batches.admin.item_admin.ItemAdmin.{name}", 1)
    for page, position in enumerate((0, 3, 4, 5), 1):
        items = listed(client, batch__id__exact=running.pk, status__exact="SUCCEEDED", p=str(page))
        assert [item.position for item in items.result_list] == [position]


def test_it_finds_an_outcome_over_all_batches_in_those_that_have_it(
    client: Client, running: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of skipped items read every item of every batch, and was given up after 15 s."""
    ran(modes("ok", "ok"))
    others = [ran(modes("skip", "ok", "skip")) for _ in range(2)]
    wanted = sorted([(running.pk, 2), *((batch.pk, position) for batch in others for position in (0, 2))])
    with CaptureQueriesContext(connection) as statements:
        items = listed(client, status__exact="SKIPPED")
    assert items.result_count == len(wanted)
    assert [(item.batch_id, item.position) for item in items.result_list] == wanted
    reading = [each["sql"] for each in statements if "batches_item" in each["sql"] and "'SKIPPED'" in each["sql"]]
    assert all(re.search('batch_id"? = |"id" IN', sql) for sql in reading), reading
    for name in ("list_per_page", "list_max_show_all"):
        monkeypatch.setattr(f"batches.admin.item_admin.ItemAdmin.{name}", 2)
    pages = [listed(client, status__exact="SKIPPED", p=str(page)).result_list for page in (1, 2, 3)]
    assert [(item.batch_id, item.position) for page in pages for item in page] == wanted
    assert [item.position for item in listed(client, status__exact="QUARANTINED").result_list] == []
