"""The items of an error group on its page: listed once each, page by page, narrowed by what the address says."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from batches.models import Checkpoint, Item
from errors.grouping import failing_now
from tests.helpers.failures import fail, raised
from tests.helpers.group_pages import group_url, half_failed
from tests.helpers.pages import page, words
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def test_it_lists_each_item_once_page_by_page_and_back(user_of: UserOf, monkeypatch: pytest.MonkeyPatch) -> None:
    from errors.desk.group_page import items_tab, record_walk

    monkeypatch.setattr(items_tab, "ROWS", 3)
    monkeypatch.setattr(record_walk, "WINDOWS", (2, 4))
    batch, client = half_failed(14), signed_in(user_of("viewer"))
    fail(batch, 0, raised(ValueError('Country "DE" unsupported')), attempt=2)  # the item's second
    seen: list[list[str]] = []
    address = group_url(batch, tab="items")
    while address:
        shown = page(client, address)
        seen.append(re.findall(r'data-row>\s*<td class="bp-num" data-label="position">(\d+)<', shown))
        following = re.search(r'rel="next" href="([^"]+)"', shown)
        address = group_url(batch) + following[1].replace("&amp;", "&") if following else ""
    assert seen == [["0", "12", "10"], ["8", "6", "4"], ["2"]]
    back = re.search(r'rel="prev" href="([^"]+)"', shown)
    assert back
    shown = page(client, group_url(batch) + back[1].replace("&amp;", "&"))
    assert re.findall(r'data-row>\s*<td class="bp-num" data-label="position">(\d+)<', shown) == ["8", "6", "4"]


def test_it_looks_at_so_many_records_for_one_page_and_goes_on_if_asked(
    user_of: UserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from errors.desk.group_page import record_walk

    monkeypatch.setattr(record_walk, "WINDOWS", (2, 2))
    batch, client = half_failed(14), signed_in(user_of("viewer"))
    Item.objects.filter(batch=batch, position=2).update(status="SUCCEEDED", failed_at=None)
    shown = page(client, group_url(batch, tab="items", now="recovered"))
    assert "Among 4 errors no item matches; there are more." in shown
    further = re.search(r'rel="next" href="([^"]+)"', shown)
    assert further
    shown = page(client, group_url(batch) + further[1].replace("&amp;", "&"))
    assert re.findall(r'data-row>\s*<td class="bp-num" data-label="position">(\d+)<', shown) == ["2"]
    assert page(client, group_url(batch, tab="items", now="recovered", item="k2")).count("data-row") == 1


NARROWED: list[tuple[dict[str, str], int]] = [
    ({}, 3),
    ({"now": "failed"}, 2),
    ({"now": "recovered"}, 1),
    ({"now": "waiting"}, 0),
    ({"now": "rubbish"}, 3),
    ({"item": "k2"}, 1),
    ({"item": "%00"}, 3),
    ({"item": "nobody"}, 0),
    ({"positions": "2-9"}, 2),
    ({"positions": "2"}, 1),
    ({"attempt": "2+"}, 0),
    ({"field": "country=DE"}, 3),
    ({"field": "n=4"}, 1),
    ({"positions": "9-1"}, 0),
    ({"after": "x", "before": "-1"}, 3),
]


def test_it_narrows_its_items_by_what_the_address_says(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("viewer"))
    Item.objects.filter(batch=batch, position=0).update(status="SUCCEEDED", failed_at=None)
    for query, rows in NARROWED:
        shown = page(client, group_url(batch, tab="items", **query))
        assert shown.count("data-row") == rows, query
        assert ("Write the first and the last position" in shown) == (query.get("positions") == "9-1")


def test_its_rows_and_those_of_errors_are_drawn_without_templates(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("viewer"))
    for address in (group_url(batch, tab="items"), reverse("admin:errors_records", args=[batch.pk])):
        answer = client.get(address)
        assert len(re.findall("data-row>", answer.content.decode())) == 3
        assert "admin/errors/record_item.html" not in {template.name for template in answer.templates}


def test_what_still_fails_is_taken_from_what_is_kept(user_of: UserOf) -> None:
    batch, client = half_failed(), signed_in(user_of("viewer"))
    for is_kept in (False, True):
        with CaptureQueriesContext(connection) as statements:
            assert "3 still fail" in words(page(client, group_url(batch, tab="history")))
        counted = [each["sql"] for each in statements if "COUNT" in each["sql"] and '"failed_at" IS NOT' in each["sql"]]
        assert bool(counted) is not is_kept
        failing_now.refresh(batch)
    Item.objects.filter(batch=batch, position=0).update(status="SUCCEEDED", failed_at=None)
    Checkpoint.objects.filter(batch=batch).update(failed=2, succeeded=4)
    assert "2 still fail" in words(page(client, group_url(batch, tab="history")))
