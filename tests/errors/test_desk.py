"""The triage desk: what it counts, shows and hides, for whom, and at what price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from batches.models import Batch, Checkpoint
from errors.models import BatchGroup, ErrorGroup
from tests.errors.factories import batch_of, fail, raised

pytestmark = pytest.mark.django_db

User = Callable[[str], Any]


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def failing(size: int = 10, **more: Any) -> Batch:
    """Every item fails, in two ways."""
    batch = batch_of(size, **more)
    for n in range(size):
        fail(batch, n, raised(ValueError("bad <script>") if n % 2 else ConnectionError(f"host-{n} refused")))
    Checkpoint.objects.create(batch=batch, failed=size)
    return batch


def desk_url(batch: Batch) -> str:
    return reverse("admin:errors_desk", args=[batch.pk])


def group_url(batch: Batch, **wanted: Any) -> str:
    group = ErrorGroup.objects.get(**wanted)
    return reverse("admin:errors_group", args=[batch.pk, group.fingerprint])


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_it_shows_the_desk_to_those_who_may_look(user_of: User, role: str) -> None:
    batch = failing()
    client = signed_in(user_of(role))
    for url in (desk_url(batch), group_url(batch, category="network"), reverse("admin:errors_overview")):
        assert client.get(url).status_code == 200


def test_it_keeps_out_who_may_not(user_of: User) -> None:
    batch = failing()
    charlie = user_of("charlie")
    charlie.is_staff = True
    charlie.save()
    for url in (desk_url(batch), group_url(batch, category="network"), reverse("admin:errors_overview")):
        assert signed_in(charlie).get(url).status_code == 403
        assert Client().get(url).status_code == 302


def test_it_says_how_many_failed_with_the_interval(user_of: User) -> None:
    page = signed_in(user_of("viewer")).get(desk_url(failing(20))).content.decode()
    assert "20 of 20 items failed (100%, between 84% and 100%)." in page


def test_it_says_so_when_nothing_failed(user_of: User) -> None:
    page = signed_in(user_of("viewer")).get(desk_url(batch_of(3))).content.decode()
    assert "No item is failed now" in page
    assert "Nothing has failed in this batch." in page


def test_it_escapes_what_an_item_said(user_of: User) -> None:
    batch = failing(payload={"name": "<img src=x onerror=alert(1)>"})
    client = signed_in(user_of("viewer"))
    for url in (desk_url(batch), group_url(batch, category="validation")):
        page = client.get(url).content.decode()
        assert "<script>" not in page.split("</head>")[1].replace("<script src=", "")
        assert "<img src=x" not in page


def test_it_masks_secrets_in_samples(user_of: User) -> None:
    batch = failing(payload={"password": "hunter22", "n": 1})
    page = signed_in(user_of("viewer")).get(group_url(batch, category="validation")).content.decode()
    assert "hunter22" not in page
    assert "[redacted]" in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("state=new", 2),
        ("state=open", 2),
        ("state=resolved", 0),
        ("category=network", 1),
        ("text=refused", 1),
        ("text=%00", 2),
        ("text=nothing+like+it", 0),
        ("state=rubbish", 0),
    ],
)
def test_it_filters_the_groups(user_of: User, query: str, shown: int) -> None:
    page = signed_in(user_of("viewer")).get(f"{desk_url(failing())}?{query}")
    assert page.status_code == 200
    assert page.content.decode().count("data-row") == shown


@pytest.mark.parametrize("after", ["", "x", "-1", "9" * 40, "0"])
def test_it_pages_through_a_groups_items_whatever_the_address_says(user_of: User, after: str) -> None:
    url = group_url(failing(), category="validation")
    assert signed_in(user_of("viewer")).get(url, {"after": after}).status_code == 200


def test_it_answers_404_for_what_is_not_there(user_of: User) -> None:
    client = signed_in(user_of("viewer"))
    batch = failing()
    assert client.get(reverse("admin:errors_desk", args=["nobody"])).status_code == 404
    assert client.get(reverse("admin:errors_group", args=[batch.pk, "0" * 16])).status_code == 404


def test_it_costs_the_same_however_many_items_and_groups_there_are(user_of: User) -> None:
    client = signed_in(user_of("viewer"))
    few, many = failing(4, batch_id="few"), failing(4, batch_id="many")
    for n in range(30):
        fail(many, 0, raised(ValueError("word " * (n + 1))), attempt=n + 2)
    assert BatchGroup.objects.filter(batch=many).count() > 20
    for url in (desk_url, lambda batch: group_url(batch, category="network")):
        spent = []
        for batch in (few, many):  # what the failures have in common is worked out once, and kept
            client.get(url(batch))
        for batch in (few, few, many):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert client.get(url(batch)).status_code == 200
            spent.append(len(queries))
        assert spent[1] <= spent[2] <= 32
