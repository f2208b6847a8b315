"""The pages of bulk retries: what is confirmed is what is done, and its outcome stands beside the prediction."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.lifecycle import retry_lists
from batches.models import Retry
from tests.helpers.batches import statuses
from tests.helpers.command_line import batch_command
from tests.helpers.outages import group_address, outage
from tests.helpers.pages import form_answers, page
from tests.helpers.people import UserOf, signed_in
from tests.helpers.retries import now_do

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def test_it_is_paused_resumed_and_cancelled_from_its_page(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    client.post(group_address(), form_answers(client, group_address()))

    def act(verb: str) -> str:
        client.post(reverse("admin:errors_retry_act", args=["outage", 1, verb]), {"reason": "lunch"})
        return Retry.objects.get().state

    assert [act("pause"), act("resume"), act("cancel")] == ["PAUSED", "CANARY", "CANCELLED"]
    assert statuses(batch).count("FAILED") == 34
    assert act("resume") == "CANCELLED"
    assert client.post(reverse("admin:errors_retry_act", args=["outage", 1, "explode"])).status_code == 404
    assert operations.verify(batch.pk) == []


def test_each_number_opens_its_items(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    now_do(batch, "ok", 40, 50)
    now_do(batch, "invalid", 51, 53)
    operations.retry(batch.pk, group=group_address().split("/")[-3])
    runner.work_until_idle(batch.pk)
    address = reverse("admin:errors_retry", args=["outage", 1])
    for fate, count in {"recovered": 11, "failed_same": 16, "failed_differently": 3, "skipped": 0, "x": 30}.items():
        assert page(client, address, fate=fate).count("<tr data-row>") == count
    shown = page(client, address)
    assert re.search(r"<b>11</b> recovered", shown)
    assert "PRICE" in page(client, address, fate="failed_differently")
    assert page(client, address, after="9" * 40)
    assert client.get(reverse("admin:errors_retry", args=["outage", 9])).status_code == 404
    assert "Retries" in page(client, reverse("admin:errors_retries", args=["outage"]))


def test_the_desk_tells_what_became_of_the_last_retry(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("viewer"))
    now_do(batch, "ok", 40, 60)
    operations.retry(batch.pk, group=group_address().split("/")[-3], predicted={"low": 20, "mid": 22, "high": 24})
    runner.work_until_idle(batch.pk)
    shown = page(client, reverse("admin:errors_desk", args=["outage"]))
    assert "After the last retry" in shown
    assert "(predicted 20-24)" in shown


def test_it_sets_a_group_aside_and_brings_it_back(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("operator"))
    address = group_address("validation", "errors_group_aside")
    assert "Set 4 items of “" in page(client, address)
    answer = client.post(address, form_answers(client, address), follow=True)
    assert "4 items set aside" in answer.content.decode()
    assert statuses(batch).count("QUARANTINED") == 4
    client.post(reverse("admin:errors_bring_back", args=["outage", 1]))
    assert statuses(batch).count("QUARANTINED") == 0
    assert operations.verify(batch.pk) == []


def addresses() -> list[str]:
    names = ["errors_retry_matching", "errors_aside_matching", "errors_rehearse", "errors_retry_items"]
    one = [("errors_retry_act", ["outage", 1, "cancel"]), ("errors_bring_back", ["outage", 1])]
    rest = [reverse(f"admin:{name}", args=given) for name, given in one]
    return [
        group_address(),
        group_address(name="errors_group_aside"),
        *(reverse(f"admin:{name}", args=["outage"]) for name in names),
        *rest,
    ]


def test_only_who_may_operate_gets_in_and_looking_changes_nothing(user_of: UserOf) -> None:
    batch = outage()
    operations.quarantine(batch.pk, positions=[40, 40])
    operations.retry(batch.pk, code="NETWORK_ERROR")
    charlie, viewer, operator = user_of("charlie"), signed_in(user_of("viewer")), signed_in(user_of("operator"))
    charlie.is_staff = True
    charlie.save()
    before = statuses(batch)
    for address in addresses():
        assert Client().post(address).status_code == 302
        assert (signed_in(charlie).post(address).status_code, viewer.post(address).status_code) == (403, 403)
        assert operator.get(address).status_code in (200, 302)
        assert Client(enforce_csrf_checks=True).post(address).status_code in (302, 403)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator.get(reverse("admin:errors_desk", args=["outage"])).wsgi_request.user)
    assert {strict.post(address).status_code for address in addresses()} == {403}
    assert statuses(batch) == before
    for name in ("errors_retries", "errors_asides"):
        assert viewer.get(reverse(f"admin:{name}", args=["outage"])).status_code == 200
    assert "Pause" not in page(viewer, reverse("admin:errors_retry", args=["outage", 1])).split("</header>")[0]


def test_it_says_that_many_items_are_being_written_down(user_of: UserOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(retry_lists.LONGEST_IN_REQUEST, connection.vendor, 10)
    batch, client = outage(), signed_in(user_of("operator"))
    answer = client.post(group_address(), form_answers(client, group_address()))
    shown = page(client, answer.headers["Location"])
    assert "Preparing: which 30 items it means is being written down; then the first 20 go." in shown
    assert "Cancel the rest" in shown
    assert "Pause" not in shown
    told = client.get(f"/api/batches/{batch.pk}/retries/1").json()
    assert (told["state"], told["items"], told["outcome"]["waiting"]) == ("PREPARING", 30, 30)
    listed = page(client, reverse("admin:errors_retries", args=["outage"]))
    assert "Preparing" in listed


def test_it_says_until_when_a_retry_waits(user_of: UserOf) -> None:
    client = (outage(), signed_in(user_of("operator")))[1]
    address = f"{group_address()}?after=600"
    assert "None of them runs before 600 seconds have passed." in page(client, address)
    answer = client.post(address, form_answers(client, address))
    made = Retry.objects.get()
    assert made.not_before is not None
    shown = page(client, answer.headers["Location"])
    assert f"Waiting: none of 30 items runs before {made.not_before:%H:%M:%S} UTC" in shown
    assert client.get("/api/batches/outage/retries/1").json()["not_before"]


def test_a_retry_by_the_command_line_keeps_its_prediction() -> None:
    batch = outage()
    assert batch_command("retry", batch.pk, "--group", group_address().split("/")[-3])[0] == 0
    predicted = Retry.objects.get().predicted
    assert (predicted["low"], predicted["mid"], predicted["high"]) == (0, None, 30)
    assert predicted["basis"].startswith("not known yet")
