"""New groups that nobody looks at: after 7 days, or 3 batches without them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from batches.models import Batch
from errors import groups
from errors.filters.ageing import is_ageing
from errors.models import ErrorGroup
from tests.helpers.failures import batch_of, fail
from tests.helpers.people import client

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("sqlite")]
LIST = "/api/batches/b1/errors/groups"


def ageing() -> bool:
    """What the query, the list over REST, its filter and both pages say; they must agree."""
    found = ErrorGroup.objects.filter(is_ageing()).exists()
    viewer, tab = client("viewer"), Client()
    tab.force_login(User.objects.get_or_create(username="root", is_staff=True, is_superuser=True)[0])
    assert [row["ageing"] for row in viewer.get(LIST).json()["results"]] == [found]
    assert len(viewer.get(f"{LIST}?ageing=true").json()["results"]) == found
    for page in (reverse("admin:errors_desk", args=["b1"]), reverse("admin:errors_overview")):
        assert (">ageing<" in tab.get(page).content.decode()) is found, page
    return found


def submitted(name: str, days: float, status: str = "COMPLETED", processor: str = "test.do") -> Batch:
    """A batch of so many days from now."""
    batch = batch_of(1, name)
    when = timezone.now() + timedelta(days=days)
    Batch.objects.filter(pk=name).update(created_at=when, status=status, processor=processor)
    return batch


@pytest.mark.full_on("sqlite")
def test_a_new_group_ages_in_seven_days() -> None:
    fail(batch_of(1), 0, ValueError("bad"))
    for days, aged in ((6.9, False), (7.1, True)):
        ErrorGroup.objects.update(first_seen=timezone.now() - timedelta(days=days))
        assert ageing() is aged


@pytest.mark.full_on("sqlite")
def test_a_new_group_ages_in_three_batches_without_it() -> None:
    fail(batch_of(1), 0, ValueError("bad"))
    submitted("earlier", -1)
    submitted("b2", 1)
    submitted("b3", 1)
    submitted("running", 1, "RUNNING")
    submitted("other", 1, processor="other")
    fail(submitted("again", 1), 0, ValueError("bad"), at=timezone.now())
    assert not ageing()
    submitted("b4", 1)
    assert ageing()


@pytest.mark.full_on("sqlite")
@pytest.mark.parametrize("verb", ["acknowledge", "resolve", "ignore"])
def test_whoever_acts_upon_it_ends_its_ageing(verb: str) -> None:
    fail(batch_of(1), 0, ValueError("bad"))
    ErrorGroup.objects.update(first_seen=timezone.now() - timedelta(days=30))
    assert ageing()
    getattr(groups, verb)(ErrorGroup.objects.get().pk)
    assert not ageing()


def test_a_list_of_groups_takes_no_more_statements_for_more_of_them(settings: Any) -> None:
    settings.PORTAL_RATE_PER_CALLER = settings.PORTAL_RATE_PER_ADDRESS = 0  # counted now and then
    batch = batch_of(12)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            client("viewer").get(LIST)
        return len(captured)

    fail(batch, 0, ValueError("ant"))
    statements()
    before = statements()
    for position, word in enumerate(("bee", "cat", "dog", "elk"), 1):
        fail(batch, position, ValueError(word))
    statements()  # what fails now is counted once, and kept
    assert statements() == before


def test_it_asks_for_the_first_batches_since_then_in_their_order() -> None:
    """So that an index of times gives them: without an order PostgreSQL reads every batch, once a group."""
    assert "ORDER BY 1 ASC LIMIT 1 OFFSET 2)" in str(ErrorGroup.objects.filter(is_ageing()).query)
