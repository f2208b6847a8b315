"""The desk's groups as rows: each is drawn without a template, and offers what who looks at it may do."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from batches.models import Batch, Checkpoint
from errors.models import BatchGroup, ErrorGroup
from tests.helpers.failures import batch_of, fail, raised
from tests.helpers.people import UserOf, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def desk(client: Client, batch: Batch) -> tuple[str, int]:
    """The page, and how many templates it was made of."""
    answer = client.get(reverse("admin:errors_desk", args=[batch.pk]))
    return answer.content.decode(), len(answer.templates)


def failing(batch_id: str, groups: int) -> Batch:
    batch = batch_of(groups, batch_id=batch_id)
    for n in range(groups):
        fail(batch, n, raised(ValueError("word " * (n + 1))))
    Checkpoint.objects.create(batch=batch, failed=groups)
    return batch


def test_no_row_is_a_template(user_of: UserOf) -> None:
    client = signed_in(user_of("viewer"))
    few, many = failing("few", 2), failing("many", 9)
    assert desk(client, few)[1] == desk(client, many)[1]
    assert desk(client, many)[0].count("<tr data-row") == 9


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("admin", True)])
def test_a_row_offers_what_its_reader_may_do(user_of: UserOf, role: str, may: bool) -> None:
    batch = failing("b1", 2)
    Checkpoint.objects.update(failed=1, succeeded=1)
    batch.items.filter(position=0).update(status="SUCCEEDED", failed_at=None)
    text, _ = desk(signed_in(user_of(role)), batch)
    assert "all recovered" in text
    assert (">Resolve</a>" in text) is may
    assert ("data-retry=" in text) is may


def test_a_row_shows_what_was_said_as_text(user_of: UserOf) -> None:
    batch = failing("b1", 1)
    ErrorGroup.objects.update(title="<script>", code="<b>", error_type="<i>")
    text, _ = desk(signed_in(user_of("viewer")), batch)
    assert BatchGroup.objects.count() == 1
    for markup in ("><script><", "<code><b>", "· <i>"):
        assert markup not in text
    assert "&lt;script&gt;" in text
