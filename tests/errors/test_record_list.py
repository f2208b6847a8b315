"""The admin's list of error records at any size: what it offers to filter by, how far it counts, what it sorts by."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from batches.admin import long_lists
from tests.helpers.batches import modes, ran
from tests.helpers.pages import content, page
from tests.helpers.people import UserOf, signed_in

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def client(user_of: UserOf) -> Client:
    ran(modes("ok", *["invalid"] * 6))
    return signed_in(user_of("admin"))


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
