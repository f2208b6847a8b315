"""What was sent twice is one batch, and what the sender was not told of is none."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client
from django.urls import reverse

from batches import operations
from batches.clients import HAS_LEFT
from batches.exceptions import ClientLeft
from batches.models import Batch
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]


def sent(client: Client, once: str, rows: bytes = b"k\n1\n", **more: Any) -> Any:
    given = {"file": SimpleUploadedFile("rows.csv", rows), "params.schema": "{}", "once": once, **more}
    return client.post(reverse("admin:batches_batch_new", args=["check_rows"]), given)


@pytest.fixture
def operator(user_of: UserOf) -> Client:
    return signed_in(user_of("operator"))


def copy_of_form(client: Client) -> str:
    page = client.get(reverse("admin:batches_batch_new", args=["check_rows"])).content.decode()
    once = re.search(r'name="once" value="([^"]+)"', page)
    assert once
    return once[1]


def test_it_makes_one_batch_of_a_form_that_is_sent_twice(operator: Client) -> None:
    once = copy_of_form(operator)
    answers = [sent(operator, once), sent(operator, once)]
    assert Batch.objects.count() == 1
    assert {answer["Location"] for answer in answers} == {Batch.objects.get().get_absolute_url()}


def test_it_makes_another_batch_of_another_copy_or_another_file(operator: Client) -> None:
    once = copy_of_form(operator)
    for answer in (
        sent(operator, once),
        sent(operator, copy_of_form(operator)),
        sent(operator, once, b"k\n2\n"),
        sent(operator, once, id="mine"),
        sent(operator, ""),
    ):
        assert answer.status_code == 302
    assert Batch.objects.count() == 5


def test_it_keeps_the_copy_where_the_form_comes_back(operator: Client) -> None:
    assert 'name="once" value="20260101-abcdef"' in sent(operator, "20260101-abcdef", b"").content.decode()


def test_it_stores_nothing_of_who_has_left() -> None:
    with pytest.raises(ClientLeft):
        operations.submit(
            processor="check_rows", params={"schema": "{}"}, items=[{"k": 1}], batch_id="late", has_left=lambda: True
        )
    assert not Batch.objects.exists()


@pytest.mark.parametrize("key", [{}, {"HTTP_IDEMPOTENCY_KEY": "k"}])
def test_it_starts_nothing_of_who_has_left_a_door(
    operator: Client, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WSGIRequest, "scope", {"extensions": {HAS_LEFT: lambda: True}}, raising=False)
    file = SimpleUploadedFile("rows.csv", b"k\n1\n")
    body = {"processor": "check_rows", "params": json.dumps({"schema": "{}"}), "file": file, "start": "1"}
    assert operator.post("/api/batches", body, **key).status_code == 400
    assert "has left" in sent(operator, copy_of_form(operator)).content.decode()
    assert not Batch.objects.exists()


def test_it_answers_the_batch_that_the_same_sent_a_moment_before_has_started() -> None:
    batch = operations.submit(processor="check_rows", params={"schema": "{}"}, items=[{"k": 1}]).batch
    operations.start_stored(batch, actor="first")
    assert batch.status == "PENDING", "as the second still saw it"
    assert operations.start_stored(batch, actor="second").status == "QUEUED"
    assert list(batch.transitions.filter(verb="start").values_list("actor", flat=True)) == ["first"]
