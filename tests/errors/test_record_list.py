"""The admin's list of error records at any size: what it offers to filter by, how far it counts, what it sorts by."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from batches.admin import key_search, long_lists
from batches.models import Batch
from errors.error_analyzer import record_error
from tests.helpers.batches import modes, ran
from tests.helpers.pages import content, page
from tests.helpers.people import UserOf, signed_in

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def client(user_of: UserOf) -> Client:
    ran(modes("ok", *["invalid"] * 6))
    return signed_in(user_of("admin"))


def adhoc_failure(key: str) -> None:
    Batch.objects.create(pk="adhoc", status=Batch.Status.RUNNING)
    record_error("adhoc", key, 0, ValueError("no such thing"))


def listed(client: Client, query: str = "") -> tuple[str, list[str]]:
    """The page, and its statements about records."""
    with CaptureQueriesContext(connection) as statements:
        text = content(page(client, f"{reverse('admin:errors_errorrecord_changelist')}{query}"))
    return text, [each["sql"] for each in statements if "errors_errorrecord" in each["sql"]]


def test_it_reads_no_record_for_what_it_offers_to_filter_by(client: Client) -> None:
    text, statements = listed(client)
    assert re.search(r'href="\?category=validation"', text)
    assert re.search(r'href="\?code=[^"]+"', text)
    assert not [each for each in statements if "DISTINCT" in each]


def test_it_counts_records_up_to_a_bound(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_lists, "COUNTED_ROWS", 5)
    text, statements = listed(client)
    assert "5+ error records" in text
    assert [each for each in statements if "COUNT" in each and "LIMIT 6" not in each] == []


def test_it_sorts_many_records_by_their_order_alone(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [each for each in listed(client, "?o=5")[1] if 'BY "errors_errorrecord"."message"' in each]
    monkeypatch.setattr(long_lists, "SORTED_ROWS", 5)
    assert not [each for each in listed(client, "?o=5")[1] if 'BY "errors_errorrecord"."message"' in each]


def test_it_finds_records_of_a_key_by_the_index_of_keys(client: Client) -> None:
    adhoc_failure("sku-9")
    for typed, key in (("3", "3"), ("SKU-9", "sku-9"), ("nobody", "")):
        text, statements = listed(client, f"?q={typed}")
        assert re.findall(r'class="field-item_key">.*?>([^<]+)</a>', text) == ([key] if key else [])
        assert not [each for each in statements if "UPPER(" in each or "LIKE" in each]


def test_it_says_in_how_many_batches_it_has_found_a_key(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        ran(modes("ok", *["invalid"] * 3))
    assert "4 results" in listed(client, "?q=3")[0]
    monkeypatch.setattr(key_search, "BATCHES_FOUND", 2)
    monkeypatch.setattr(long_lists, "PAGES_AHEAD", 0)
    text, _ = listed(client, "?q=3")
    assert "2+" in text
    assert len(re.findall('class="field-item_key"', text)) == 3
    assert len(re.findall('class="field-item_key"', listed(client, "?q=3&final__exact=1")[0])) == 4


def test_its_times_are_those_of_every_page(client: Client) -> None:
    assert len(re.findall(r'<td class="field-failed[^"]*"><time datetime="[^"]+">', listed(client)[0])) == 6
