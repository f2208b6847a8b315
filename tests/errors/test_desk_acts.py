"""Acts on the desk: what they say beforehand, what they do, and for whom there is a button."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from batches import operations, runner
from batches.models import Batch, Item, Retry
from errors.models import ErrorGroup, Recommendation
from tests.batches.factories import modes, ran
from tests.batches.test_admin_pages import page, tab

pytestmark = pytest.mark.usefixtures("engine")
User = Callable[[str], Any]


def outage() -> Batch:
    """Thirty items in a row failed because the other side was away."""
    return ran(modes(*["ok"] * 40, *["network"] * 30, *["ok"] * 130), max_attempts=1, batch_id="outage")


def desk(batch: Batch) -> str:
    return reverse("admin:errors_desk", args=[batch.pk])


def advised(batch: Batch) -> Recommendation:
    return Recommendation.objects.filter(batch=batch, state="open", action__verb="retry").earliest("number")


def test_it_says_what_the_failures_have_in_common_and_what_to_do(user_of: User) -> None:
    shown = page(tab(user_of("operator")), desk(outage()))
    assert "30 of the 30 items" in shown
    assert "What to do" in shown
    assert "Expected back" in shown
    assert "Retry…" in shown


def test_it_shows_a_viewer_the_advice_without_its_buttons(user_of: User) -> None:
    batch, client = outage(), tab(user_of("viewer"))
    shown = page(client, desk(batch))
    assert "What to do" in shown
    assert "Retry…" not in shown
    assert "Dismiss" not in shown
    number = advised(batch).number
    for address in (
        reverse("admin:errors_advice", args=[batch.pk, number]),
        reverse("admin:errors_advice_dismiss", args=[batch.pk, number]),
        reverse("admin:errors_plan", args=[batch.pk]),
        reverse("admin:errors_step", args=[batch.pk, 1]),
        group_act("acknowledge"),
    ):
        assert client.post(address).status_code == 403
    assert not Retry.objects.exists()


def test_it_says_exactly_what_will_happen_then_does_it_and_measures_it(user_of: User) -> None:
    batch, client = outage(), tab(user_of("operator"))
    page(client, desk(batch))
    address = reverse("admin:errors_advice", args=[batch.pk, advised(batch).number])
    asked = page(client, address)
    assert "30 items are meant. 20 go first" in asked
    assert "Expected back" in asked
    assert not Retry.objects.exists()
    for row in Item.objects.filter(batch=batch, status="FAILED"):
        row.payload["mode"] = "ok"
        row.save(update_fields=["payload"])
    client.post(address, {"reason": "it is back"})
    runner.work_until_idle(batch.pk)
    shown = page(client, desk(batch))
    assert "30 recovered" in shown
    assert operations.verify(batch.pk) == []


def test_it_is_applied_once_and_says_so(user_of: User) -> None:
    batch, client = outage(), tab(user_of("operator"))
    page(client, desk(batch))
    address = reverse("admin:errors_advice", args=[batch.pk, advised(batch).number])
    client.post(address)
    assert "Cannot" in client.post(address, follow=True).content.decode()
    assert Retry.objects.count() == 1


def test_it_does_not_show_again_what_was_dismissed(user_of: User) -> None:
    batch, client = outage(), tab(user_of("operator"))
    page(client, desk(batch))
    found = advised(batch)
    client.post(reverse("admin:errors_advice_dismiss", args=[batch.pk, found.number]))
    assert "Dismissed" in page(client, desk(batch))
    assert f"advice/{found.number}/" not in page(client, desk(batch))


def test_it_works_out_a_plan_and_does_it_step_by_step(user_of: User) -> None:
    batch, client = outage(), tab(user_of("operator"))
    client.post(reverse("admin:errors_plan", args=[batch.pk]))
    shown = page(client, desk(batch))
    assert "30 failed: " in shown
    assert "Do step 1…" in shown
    address = reverse("admin:errors_step", args=[batch.pk, 1])
    assert page(client, address)
    client.post(address)
    assert "Do step 1…" not in page(client, desk(batch))
    assert client.get(reverse("admin:errors_step", args=[batch.pk, 99])).status_code == 404


def group_act(verb: str) -> str:
    return reverse("admin:errors_group_act", args=["outage", ErrorGroup.objects.get().fingerprint, verb])
