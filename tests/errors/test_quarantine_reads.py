"""The page that asks before items are set aside counts them once."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests.helpers.outages import outage
from tests.helpers.pages import page
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def test_it_counts_the_items_that_would_be_set_aside_once(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    address = reverse("admin:errors_aside_matching", args=[batch.pk])
    with CaptureQueriesContext(connection) as statements:
        assert "Set 34 items" in page(client, address)
    counted = [each["sql"] for each in statements if "COUNT(" in each["sql"] and "batches_asideitem" in each["sql"]]
    assert len(counted) == 1
