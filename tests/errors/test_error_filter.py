"""The filter of a batch's errors: groups, records, items and counts match the same ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.exceptions import InvalidInput
from batches.models import Batch, Item
from errors.filters.error_filter import ErrorFilter
from errors.filters.scopes import items_of_matching
from errors.models import ErrorGroup, ErrorRecord
from tests.helpers.failures import batch_of, fail, raised
from tests.helpers.people import browser, client

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("sqlite")]
NOON = timezone.now().replace(microsecond=0)
PAYLOADS = [
    {"country": "DE", "qty": 5, "paid": True, "note": None, "7": "seven", "address": {"city": "Bonn"}},
    {"country": "FR", "qty": 5.5, "paid": False, "odd__name": "x", "dotted.name": "y"},
    {"country": "DE", "qty": "5", "password": "hunter22"},
    {},
]


@pytest.fixture
def batch() -> Batch:
    """Items 0 and 2 lack a thing, item 1 cannot connect and then lacks another, item 3 went well."""
    made = batch_of(4)
    for item, payload in zip(made.items.order_by("position"), PAYLOADS, strict=True):
        Item.objects.filter(pk=item.pk).update(payload=payload)
    fail(made, 0, raised(ValueError("no vat id")), at=NOON)
    fail(made, 1, raised(ConnectionError("refused")), at=NOON + timedelta(minutes=1))
    fail(made, 1, raised(ValueError("no street")), attempt=2, at=NOON + timedelta(minutes=2))
    fail(made, 2, raised(ValueError("no vat id")), at=NOON + timedelta(minutes=3))
    made.items.filter(position__lt=3).update(failed_at=NOON, status=Item.Status.FAILED, attempts=1)
    made.items.filter(position=1).update(attempts=2)
    return made


def iso(minutes: int) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat()


@pytest.mark.parametrize(
    ("said", "positions", "titles"),
    [
        ({}, [0, 1, 1, 2], ["no vat id", "no street", "refused"]),
        ({"category": "network"}, [1], ["refused"]),
        ({"state": "open", "code": "VALIDATION_FAILED"}, [0, 1, 2], ["no vat id", "no street"]),
        ({"state": "resolved"}, [], []),
        ({"text": "VAT"}, [0, 2], ["no vat id"]),
        ({"text": "connectionerror"}, [1], ["refused"]),
        ({"text": "k2"}, [2], ["no vat id"]),
        ({"text": "k3"}, [], []),
        ({"attempt": "1"}, [0, 1, 2], ["no vat id", "refused"]),
        ({"attempt": "2+"}, [1], ["no street"]),
        ({"positions": "1-2"}, [1, 1, 2], ["no vat id", "no street", "refused"]),
        ({"positions": "1"}, [1, 1], ["no street", "refused"]),
        ({"positions": "1-2", "text": "vat"}, [2], ["no vat id"]),
        ({"since": iso(1), "until": iso(2)}, [1, 1], ["no street", "refused"]),
        ({"field": "country=DE"}, [0, 2], ["no vat id"]),
        ({"field": "country=DE", "positions": "1-3"}, [2], ["no vat id"]),
        ({"field": " qty = 5"}, [0, 2], ["no vat id"]),
        ({"field": "qty=5.5"}, [1, 1], ["no street", "refused"]),
        ({"field": "paid=true"}, [0], ["no vat id"]),
        ({"field": "paid=false"}, [1, 1], ["no street", "refused"]),
        ({"field": "note=null", "positions": "0"}, [0], ["no vat id"]),
        ({"field": "7=seven"}, [0], ["no vat id"]),
        ({"field": "99999999999999999999=x"}, [], []),
        ({"field": "address.city=Bonn"}, [0], ["no vat id"]),
        ({"field": "dotted.name=y", "attempt": "2"}, [1], ["no street"]),
        ({"field": "odd__name=x", "attempt": "1"}, [1], ["refused"]),
        ({"field": "country__contains=D"}, [], []),
        ({"field": "country='; DROP"}, [], []),
    ],
)
@pytest.mark.full_on("postgresql")
def test_it_meets_the_same_errors_everywhere(
    batch: Batch, said: dict[str, str], positions: list[int], titles: list[str]
) -> None:
    error_filter = ErrorFilter.from_query(said)
    found = error_filter.records(batch)
    assert [record.position for record in found] == positions
    assert sorted(row.group.title for row in error_filter.groups(batch)) == sorted(titles)
    assert error_filter.count_records(batch) == len(positions)
    assert {record["position"] for record in listed("records", error_filter)} == set(positions)
    assert {row["title"] for row in listed("groups", error_filter)} == set(titles)
    last = {record.position for record in found if (record.position, record.attempt) != (1, 1)}
    assert [item.position for item in error_filter.items(batch)] == sorted(last)


def test_it_counts_errors_by_words_from_their_groups(batch: Batch) -> None:
    for said, errors in (({"text": "vat"}, 2), ({"text": "vat", "state": "resolved"}, 0), ({"text": "nothing"}, 0)):
        with CaptureQueriesContext(connection) as statements:
            assert ErrorFilter.from_query(said).count_records(batch) == errors
        assert any("SUM(" in each["sql"] and "errors_batchgroup" in each["sql"] for each in statements)


def listed(what: str, error_filter: ErrorFilter) -> list[dict[str, Any]]:
    answer = client("viewer").get(f"/api/batches/b1/errors/{what}?{error_filter.query_string}")
    assert answer.status_code == 200, answer.json()
    return answer.json()["results"]


@pytest.mark.parametrize(
    "said",
    [
        *({"attempt": bad} for bad in ("x", "-1", "1.5", "²", "1++")),
        *({"positions": bad} for bad in ("b", "9-1", "-", "1-2-3", "99999999999", "1-9999999999")),
        *({"since": bad} for bad in ("yesterday", "2026-11-25T14:02:10", "2026-13-45T99:00:00Z")),
        *({"field": bad} for bad in ("country", "=DE", "password=hunter22", "a.api_key=1", 'a"b=1')),
    ],
)
@pytest.mark.full_on("postgresql")
def test_it_refuses_what_cannot_be_meant_and_says_how_to_write_it(batch: Batch, said: dict[str, str]) -> None:
    error_filter = ErrorFilter.from_query(said)
    for query in (error_filter.records, error_filter.groups, error_filter.items):
        with pytest.raises(InvalidInput, match=next(iter(said))):
            query(batch)
    answer = client("viewer").get("/api/batches/b1/errors/records", said)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, list(said))


def test_it_searches_payloads_only_where_few_enough_are_left(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.filters.error_filter.MAX_PAYLOADS_SEARCHED", 2)
    with pytest.raises(InvalidInput, match="choose a group"):
        ErrorFilter(field="country=DE").records(batch)
    for narrower in (
        ErrorFilter(field="country=DE", positions="0-1"),
        ErrorFilter(field="country=DE", text="", category="network"),
    ):
        assert narrower.records(batch).count() <= 1


def test_it_asks_the_same_again_by_its_own_address() -> None:
    error_filter = ErrorFilter.from_query(
        {"text": "a & b", "field": "x=ä", "positions": "1-2", "other": "thing", "state": "open"}
    )
    assert error_filter.query_string == "state=open&text=a+%26+b&positions=1-2&field=x%3D%C3%A4"


def test_it_finds_no_record_of_another_batch(batch: Batch) -> None:
    other = batch_of(1, "b2", payload={"country": "DE"})
    fail(other, 0, raised(ValueError("no vat id")))
    assert ErrorGroup.objects.filter(title="no vat id").count() == 1
    for error_filter in (ErrorFilter(text="vat"), ErrorFilter(field="country=DE"), ErrorFilter(text="k0")):
        assert set(error_filter.records(other)) == set(ErrorRecord.objects.filter(batch=other))


def test_it_looks_up_the_payloads_of_the_errors_that_are_left_alone(batch: Batch) -> None:
    """A join was planned as one with the items of all batches, which were read from end to end."""
    sql = str(ErrorFilter(field="country=DE").records(batch).query)
    assert 'JOIN "batches_item"' not in sql
    assert 'WHERE U0."id" = ("errors_errorrecord"."item_id") LIMIT 1) = DE' in sql


@pytest.mark.full_on("postgresql")
def test_it_looks_into_payloads_once_for_the_desk(batch: Batch) -> None:
    """Once for the groups, once to count these and once for their errors took three times as long."""
    with CaptureQueriesContext(connection) as statements:
        page = browser("admin").get("/admin/errors/errorgroup/desk/b1/?field=country=DE")
    assert b"2 match" in page.content
    assert sum("payload" in each["sql"] and "country" in each["sql"] for each in statements) == 1


@pytest.mark.full_on("postgresql")
def test_it_joins_items_with_their_last_errors_once(batch: Batch) -> None:
    """Each matching item was looked up thrice: for its attempts, among those that failed, and for who asked."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite plans a subquery as it is written")
    meant = Item.objects.filter(items_of_matching(batch, {"text": "vat"}), batch=batch, failed_at__isnull=False)
    assert [item.position for item in meant.order_by("position")] == [0, 2]
    assert str(meant.query).count('FROM "batches_item"') == 1
    assert 'JOIN "batches_item"' not in str(meant.query)
