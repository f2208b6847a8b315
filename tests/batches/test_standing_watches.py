"""Watching a processor or every batch: one message for one event, and a page where each person sees what is mailed."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.exceptions import InvalidInput, UnknownProcessor
from batches.lifecycle import deliveries
from batches.models import Batch, Delivery, StandingWatch, Watch
from tests.helpers.batches import modes, submitted
from tests.helpers.pages import content, page, words
from tests.helpers.people import UserOf, client, person, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def run(batch: Batch) -> list[str]:
    """The subjects of what is mailed while it runs."""
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    deliveries.send_due()
    subjects = [message.subject for message in mail.outbox]
    mail.outbox.clear()
    return subjects


@pytest.mark.parametrize("of_everything", [True, False])
def test_it_mails_the_end_of_batches_that_nobody_watches_by_themselves(ana: Any, of_everything: bool) -> None:
    batch = submitted(modes(*["ok"] * 4), name="north")
    operations.watch_processor(operations.EVERYTHING if of_everything else batch.processor, ana)
    assert run(batch) == ["north: completed"]


def test_another_processors_batches_are_not_mailed(ana: Any) -> None:
    StandingWatch.objects.create(user=ana, processor="another")
    assert run(submitted(modes("ok"))) == []


def test_one_event_is_one_message_however_often_it_is_watched(ana: Any) -> None:
    batch = submitted(modes(*["ok"] * 4), name="north")
    operations.watch(batch.pk, ana)
    operations.watch_processor(batch.processor, ana)
    operations.watch_processor(batch.processor, ana)
    operations.watch_processor(operations.EVERYTHING, ana)
    assert run(batch) == [*(f"north: {percent} % done" for percent in (25, 50, 75, 100)), "north: completed"]


def test_it_keeps_no_batch_from_retention_as_it_would_keep_all(ana: Any) -> None:
    operations.watch_processor(operations.EVERYTHING, ana)
    assert not Watch.objects.exists()


def test_it_refuses_unknown_processors_and_who_has_no_address(ana: Any) -> None:
    with pytest.raises(UnknownProcessor):
        operations.watch_processor("none", ana)
    ana.email = ""
    with pytest.raises(InvalidInput, match="no mail address"):
        operations.watch_processor(operations.EVERYTHING, ana)
    assert not StandingWatch.objects.exists()


def test_one_act_ends_all_mail_also_what_was_not_sent_yet(ana: Any) -> None:
    batch = submitted(modes("ok"))
    operations.watch(batch.pk, ana)
    operations.watch_processor(operations.EVERYTHING, ana)
    deliveries.queue(batch.pk, Delivery.Event.HALTED, {"status": "HALTED"})
    assert operations.stop_all_mail(ana) == 2
    deliveries.send_due()
    assert run(batch) == []
    assert "ended all mail" in Delivery.objects.get().answer


def test_its_page_shows_and_changes_what_is_mailed_to_this_person_alone(user_of: UserOf, ana: Any) -> None:
    operations.watch_processor(operations.EVERYTHING, ana)
    viewer, batch = user_of("viewer"), submitted(modes("ok"))
    browser, address = signed_in(viewer), reverse("admin:batches_mail")
    assert "no mail address" in words(page(browser, address))
    viewer.email = "v@example.com"
    viewer.save()
    for name in (batch.processor, ""):
        browser.post(address, {"act": "watch", "name": name})
    operations.watch(batch.pk, viewer)
    shown = content(page(browser, address))
    assert batch.get_absolute_url() in shown
    assert shown.count("Stop watching</button>") == 3
    browser.post(address, {"act": "unwatch", "name": batch.processor})
    browser.post(address, {"act": "unwatch_batch", "name": batch.pk})
    assert operations.standing_watches(viewer) == [operations.EVERYTHING]
    answer = browser.post(address, {"act": "stop"}, follow=True)
    assert "No more mail: 1 watch ended." in answer.content.decode()
    assert operations.standing_watches(viewer) == []
    assert operations.standing_watches(ana) == [operations.EVERYTHING]


def test_its_page_keeps_the_hour_of_the_digest(user_of: UserOf) -> None:
    browser, address = signed_in(user_of("viewer")), reverse("admin:batches_mail")
    browser.cookies["zone"] = "Europe/Berlin"
    answer = browser.post(address, {"act": "when", "hour": "17"}, follow=True)
    assert "Mail comes as one digest a day, at 17:00." in answer.content.decode()
    assert "The next one is due" in answer.content.decode()
    assert "In the zone Europe/Berlin." in answer.content.decode()
    refused = browser.post(address, {"act": "when", "hour": "25"})
    assert "Select a valid choice" in refused.content.decode()
    browser.post(address, {"act": "when", "hour": ""})
    assert "The next one is due" not in page(browser, address)


def test_rest_shows_and_changes_what_is_mailed_to_who_asks() -> None:
    viewer, api, batch = person("viewer"), client("viewer"), submitted(modes("ok"))
    assert api.post("/api/watches", {"processor": ""}, format="json").status_code == 400
    viewer.email = "v@example.com"
    viewer.save()
    operations.watch(batch.pk, viewer)
    for name in ("", batch.processor):
        shown = api.post("/api/watches", {"processor": name}, format="json").json()
    expected = {"everything": True, "processors": [batch.processor], "batches": [batch.pk], "digest_hour": None}
    assert shown == expected | {"digest_at": None}
    chosen = api.patch("/api/watches", {"digest_hour": 8, "zone": "Asia/Tokyo"}, format="json").json()
    assert (chosen["digest_hour"], chosen["digest_at"][10:]) == (8, "T23:00:00Z")
    for wrong in ({"digest_hour": 24}, {"digest_hour": 8, "zone": "Nowhere"}, {}):
        assert api.patch("/api/watches", wrong, format="json").status_code == 400
    assert api.delete("/api/watches?processor=").status_code == 204
    assert api.get("/api/watches").json() == chosen | {"everything": False}
    assert api.delete("/api/watches").status_code == 204
    assert api.get("/api/watches").json() == chosen | {"everything": False, "processors": [], "batches": []}
    assert client("admin").get("/api/watches").json()["digest_hour"] is None


def test_its_page_is_closed_to_who_may_not_see_batches(user_of: UserOf) -> None:
    charlie = signed_in(user_of("charlie"))
    address = reverse("admin:batches_mail")
    assert charlie.get(address).status_code == 302  # to sign in as somebody else
    assert charlie.post(address, {"act": "watch", "name": ""}).status_code == 302
    assert not StandingWatch.objects.exists()


def test_a_batch_that_is_watched_no_longer_says_what_is_mailed_all_the_same(user_of: UserOf) -> None:
    viewer, batch = user_of("viewer"), submitted(modes("ok"))
    viewer.email = "v@example.com"
    viewer.save()
    operations.watch_processor(operations.EVERYTHING, viewer)
    address = reverse("admin:batches_batch_watch", args=[batch.pk])
    answer = signed_in(viewer).post(address, {"watch": "0"}, follow=True)
    assert "You watch every batch" in answer.content.decode()
