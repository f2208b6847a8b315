"""Before a bulk retry: what is confirmed is what is done, once, and a wrong answer does nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.models import Item, Retry
from errors.models import Recommendation
from errors.recovery import recommendations
from tests.helpers.batches import statuses
from tests.helpers.failures import batch_of, failure, report
from tests.helpers.outages import group_address, outage
from tests.helpers.pages import form_answers, page
from tests.helpers.people import UserOf, signed_in
from tests.helpers.retries import now_do

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


MATCHING = "admin:errors_retry_matching"


def test_it_says_exactly_what_will_happen_and_does_exactly_that(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    shown = page(client, group_address())
    for words in (
        "Retry 30 items of “",
        "20 go first",
        "Nothing that succeeded runs again",
        "We expect",
        "Rehearse 20",
    ):
        assert words in shown
    assert shown.count("<tr>") == 1 + 5
    assert not Retry.objects.exists()
    now_do(batch, "ok")
    answer = client.post(group_address(), form_answers(client, group_address(), reason="it is back"))
    assert answer.headers["Location"] == reverse("admin:errors_retry", args=["outage", 1])
    made = Retry.objects.get()
    assert (made.items, made.canary, made.needed, made.actor, made.reason) == (30, 20, 2, "operator", "it is back")
    assert page(client, answer.headers["Location"]).count("The canary is out") == 1
    runner.work_until_idle(batch.pk)
    shown = page(client, answer.headers["Location"])
    assert "Done: 30 of 30 items recovered, none failed again." in shown
    assert f"{made.predicted['low']}-{made.predicted['high']}" in shown
    assert operations.verify(batch.pk) == []


def test_a_button_pressed_twice_is_one_retry(user_of: UserOf) -> None:
    outage()
    client = signed_in(user_of("operator"))
    said = form_answers(client, group_address())
    assert client.post(group_address(), said).status_code == client.post(group_address(), said).status_code == 302
    assert Retry.objects.count() == 1


def test_it_is_shown_again_if_it_would_be_something_else_by_now(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    said = form_answers(client, group_address(), canary=3, needed=2)
    operations.quarantine(batch.pk, positions=[40, 44])
    answer = client.post(group_address(), said)
    shown = answer.content.decode()
    assert answer.status_code == 409
    assert "it means 25 items now, not 30" in shown
    assert "Retry 25 items" in shown
    assert 'name="canary" value="3"' in shown
    assert "5 more are set aside" in shown
    assert not Retry.objects.exists()


def test_what_cannot_pass_unchanged_goes_only_if_it_is_asked_for(user_of: UserOf) -> None:
    outage()
    client, address = signed_in(user_of("operator")), reverse(MATCHING, args=["outage"])
    shown = page(client, address)
    assert "Retry 30 items that failed?" in shown
    assert "Also the 4 that cannot pass unchanged" in shown
    client.post(address, form_answers(client, address, permanent="on", canary=0, needed=0))
    assert Retry.objects.get().items == 34


def test_it_retries_everything_that_matches_the_filter_and_nothing_else(user_of: UserOf) -> None:
    outage()
    client, address = signed_in(user_of("operator")), reverse(MATCHING, args=["outage"]) + "?category=validation"
    assert "None of the 4 items that match category “validation” can pass unchanged." in page(client, address)
    refused = client.post(address, form_answers(client, address, permanent=None)).content.decode()
    assert "Nothing would be tried: tick" in refused
    client.post(address, form_answers(client, address, permanent="on"))
    made = Retry.objects.get()
    assert (made.items, made.scope) == (4, {"matching": {"category": "validation"}})


def test_it_retries_the_items_that_were_selected_in_a_list(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    chosen = Item.objects.filter(batch=batch, position__in=(40, 41, 0))
    asked = {"action": "retry_selected", "_selected_action": [row.pk for row in chosen]}
    answer = client.post(reverse("admin:batches_item_changelist"), asked)
    assert answer.status_code == 200
    assert "Retry 2 items that were selected?" in answer.content.decode()
    form = answer.context["page"].form
    said = {field.html_name: field.value() for field in form if field.value() is not None}
    shown = answer.content.decode()
    said["items"] = re.search(r'name="items" value="([\d,]+)"', shown)[1]  # type: ignore[index]
    address = re.search(r'<form method="post" action="([^"]+)"', shown)[1]  # type: ignore[index]
    assert client.post(address, said).status_code == 302
    assert client.post(address, said).status_code == 302
    assert Retry.objects.get().items == 2


@pytest.mark.full
def test_above_a_thousand_the_number_has_to_be_typed(user_of: UserOf) -> None:
    outage(1_001, 0)
    client = signed_in(user_of("operator"))
    assert "Type <b>1,001</b>" in page(client, group_address())
    for typed in ("", "1000", "yes"):
        said = form_answers(client, group_address(), typed=typed)
        assert "Type 1,001 to confirm." in client.post(group_address(), said).content.decode()
    assert not Retry.objects.exists()
    client.post(group_address(), form_answers(client, group_address(), typed="1,001"))
    assert Retry.objects.get().items == 1_001


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"needed": 25}, "At most 20"),
        ({"canary": "x"}, "whole number"),
        ({"rate": "-1"}, "greater than or equal"),
        ({"rate": "nan"}, "number"),
        ({"params": "{"}, "Not JSON"),
        ({"params": "[1]"}, "Write an object"),
        ({"concurrency": 99}, "less than or equal to 64"),
        ({"token": "<script>"}, "valid value"),
    ],
)
@pytest.mark.full
def test_it_says_what_is_wrong_with_an_answer_and_does_nothing(
    user_of: UserOf, changes: dict[str, Any], words: str
) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    before = statuses(batch)
    answer = client.post(group_address(), form_answers(client, group_address(), **changes))
    assert answer.status_code == 200
    assert words in answer.content.decode() or "token" in changes
    assert not Retry.objects.exists()
    assert statuses(batch) == before


def test_it_has_lanes_and_a_rate_of_its_own(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    client.post(group_address(), form_answers(client, group_address(), concurrency=4, rate=1000))
    batch.refresh_from_db()
    assert (batch.concurrency, Retry.objects.get().rate) == (4, 1000)
    now_do(batch, "ok")
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    assert batch.concurrency == 1


def test_a_rehearsal_of_the_same_items_is_what_the_prediction_is_made_of(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    now_do(batch, "ok", 40, 63)
    address = reverse("admin:errors_rehearse", args=["outage"]) + "?group=" + group_address().split("/")[-3]
    answer = client.post(address)
    made = batch.rehearsals.get()
    from batches.engine import rehearsals

    rehearsals.work(made.pk)
    made.refresh_from_db()
    worked = made.report["counts"]["succeeded"]
    assert f"Of 20 rehearsed, {worked} would recover" in page(client, answer.headers["Location"])
    assert f"of 20 rehearsed, {worked} would recover" in page(client, group_address())
    assert statuses(batch).count("FAILED") == 34


def test_it_retries_exactly_the_window_of_an_outage(user_of: UserOf) -> None:
    failed, client = [7, *range(300, 330), 450], signed_in(user_of("admin"))
    batch = batch_of(500, "outage", status="COMPLETED", payload={"sku": "A"})
    report(batch, [failure(batch, n, ConnectionError("no answer")) for n in failed])
    of_them = Item.objects.filter(batch=batch, position__in=failed)
    of_them.update(status="FAILED", attempts=1, failed_at="2026-01-01T00:00:00Z", lane=0)
    Item.objects.filter(batch=batch).exclude(position__in=failed).update(status="SUCCEEDED", attempts=1, lane=0)
    batch.lanes.update_or_create(lane=0, defaults={"failed": 32, "succeeded": 468})
    recommendations.refresh(batch)
    advice = Recommendation.objects.get(rule="network")
    assert advice.title == "It looks over: retry exactly what failed in items 300 to 329"
    assert advice.action["params"]["matching"]["positions"] == "300-329"
    assert advice.cost["items"] == 30
    address = reverse("admin:errors_advice", args=["outage", advice.number])
    shown = page(client, address)
    assert "Retry 30 items that match" in shown
    assert "positions “300-329”" in shown
    client.post(address, form_answers(client, address))
    made = Retry.objects.get()
    assert list(made.retried.values_list("item__position", flat=True).order_by("pk")) == list(range(300, 330))
    assert {name: made.predicted[name] for name in ("low", "high")} == {
        name: advice.predicted[name] for name in ("low", "high")
    }
    advice.refresh_from_db()
    assert (advice.state, advice.retry) == ("applied", made.number)
