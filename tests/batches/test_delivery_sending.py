"""One delivery never ends or delays another, whatever its receiver answers, however slowly."""

from __future__ import annotations

from datetime import timedelta
from itertools import repeat
from time import monotonic
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from batches import operations
from batches.lanes import counters
from batches.lifecycle import deliveries, side_by_side
from batches.models import Delivery, Tally, Webhook
from tests.helpers.batches import modes, submitted
from tests.helpers.http_server import Server
from tests.helpers.raw_server import raw_server
from tests.helpers.webhooks import answering, queued_delivery

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def other_hook(other_server: Server) -> Webhook:
    return Webhook.objects.create(url=f"http://{other_server.address}/hook", secret=deliveries.new_secret())


def outcomes() -> list[bool]:
    """Whether each delivery, in the order of their webhooks, has arrived."""
    rows = Delivery.objects.order_by("webhook").values_list("delivered_at", "due_at")
    assert all(delivered or due for delivered, due in rows), "none is lost"
    return [delivered is not None for delivered, _ in rows]


ODD = [
    *({"Retry-After": text} for text in ("\N{SUPERSCRIPT TWO}", "9" * 5_000, "-1", "inf", "Fri, 99 Foo 9999", "")),
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "gzip, gzip, br"},
    {"Location": "http://xn--a.example/"},
    {"Transfer-Encoding": "nonsense"},
]


@pytest.mark.any_database
@pytest.mark.parametrize("headers", ODD)
@pytest.mark.parametrize("status", [429, 302])
@pytest.mark.full
def test_it_tells_the_others_whatever_one_of_them_answers(
    server: Server, hook: Webhook, other_hook: Webhook, status: int, headers: dict[str, str]
) -> None:
    server.answer = answering(status, headers)
    queued_delivery()
    assert deliveries.send_due() == 2
    assert outcomes() == [False, True]


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("url", "secret"),
    [("http://xn--a.example/", ""), ("http://[::1", ""), ("no address", ""), ("", "whsec_no base64 at all")],
)
def test_it_tells_the_others_whatever_stands_in_an_address(
    server: Server, hook: Webhook, other_hook: Webhook, url: str, secret: str
) -> None:
    Webhook.objects.filter(pk=hook.pk).update(url=url or hook.url, secret=secret or hook.secret)
    queued_delivery()
    assert deliveries.send_due() == 2
    assert outcomes() == [False, True]


@pytest.mark.any_database
def test_it_waits_until_the_date_that_the_receiver_asks_for(server: Server, hook: Webhook) -> None:
    queued_delivery()
    server.answer = answering(503, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"})
    deliveries.send_due()
    due = Delivery.objects.get().due_at
    assert due is not None
    assert timedelta(hours=23) < due - timezone.now() <= timedelta(hours=24)


# -- side by side ------------------------------------------------------------------------------------------------------


def test_a_receiver_that_hangs_delays_nobody_else(
    server: Server, hook: Webhook, other_server: Server, other_hook: Webhook
) -> None:
    server.answer = server.never
    queued_delivery()
    queued_delivery()
    sender = deliveries.Sender()
    assert sender.start_due() == 2
    sender.record_finished(wait=60)
    assert outcomes().count(True) == 1
    assert sender.start_due() == 1, "the good receiver's second, not the other's"
    sender.record_finished(wait=60)
    assert outcomes().count(True) == 2
    assert len(other_server.seen) == 2
    server.is_over.set()
    sender.record_finished(wait=60)
    assert outcomes().count(True) == 3


def test_it_sends_one_message_at_a_time_to_a_receiver_however_many_webhooks_lead_there(
    server: Server, hook: Webhook
) -> None:
    for path in ("a", "b"):
        Webhook.objects.create(url=f"http://{server.address}/{path}", secret=deliveries.new_secret())
    queued_delivery()
    sender = deliveries.Sender()
    for sent in (1, 2, 3):
        assert sender.start_due() == 1
        sender.record_finished(wait=60)
        assert outcomes().count(True) == sent


def test_it_talks_to_so_many_receivers_and_no_more(
    server: Server, hook: Webhook, other_hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_AT_ONCE", 1)
    queued_delivery()
    assert deliveries.Sender().start_due() == 1


@pytest.mark.any_database
def test_it_gives_up_a_receiver_that_drips(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "TIMEOUT", 0.5)
    drip = [b"HTTP/1.1 200 OK\r\n", *[b"X-Wait: more\r\n"] * 60, b"Content-Length: 0\r\n\r\n"]
    with raw_server(lambda: drip, pause=0.05) as address:
        settings.PORTAL_OUTBOUND_HOSTS = [address]
        Webhook.objects.create(url=f"http://{address}/", secret=deliveries.new_secret())
        queued_delivery()
        deliveries.send_due()
    assert "Timeout" in Delivery.objects.get().answer


# -- mails -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(ana: Any) -> str:
    batch = submitted(modes("ok"))
    operations.watch(batch.pk, ana)
    return batch.pk


@pytest.mark.any_database
def test_an_address_that_cannot_be_one_holds_up_no_other(watched: str, ana: Any, django_user_model: Any) -> None:
    bo = django_user_model.objects.create_superuser("bo", "bo@example.com", "x")
    operations.watch(watched, bo)
    django_user_model.objects.filter(pk=ana.pk).update(email="a@example.com\nBcc: b@example.com")
    deliveries.queue(watched, Delivery.Event.HALTED, {"status": "HALTED"})
    assert deliveries.send_due() == 2
    assert [message.to for message in mail.outbox] == [["bo@example.com"]]
    assert "could not be sent" in Delivery.objects.get(user=ana).answer


@pytest.mark.any_database
def test_a_mail_server_that_drips_holds_up_no_webhook_and_is_not_waited_for(
    watched: str, server: Server, hook: Webhook, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_server(lambda: repeat(b"220-wait\r\n"), pause=0.05) as address:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = address.split(":")
        deliveries.queue(watched, Delivery.Event.HALTED, {"status": "HALTED"})
        sender = deliveries.Sender()
        assert sender.start_due() == 2
        sender.record_finished(wait=60)
        assert Delivery.objects.get(webhook=hook).delivered_at is not None
        assert sender.exchanges.awaited == 1
        monkeypatch.setattr(side_by_side, "monotonic", lambda: monotonic() + deliveries.PATIENCE)
        sender.record_finished(wait=0)
        assert sender.exchanges.awaited == 0
    late = Delivery.objects.get(webhook=None)
    assert late.answer == "It did not come to an end in time."
    assert late.due_at is not None


# -- the loop ----------------------------------------------------------------------------------------------------------


@pytest.mark.any_database
def test_it_goes_on_after_whatever_goes_wrong_and_says_so(
    server: Server, hook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deliveries, "ROUND_SECONDS", 0.01)
    failures = iter([MemoryError("no room"), RuntimeError("can't start new thread")])
    start_due = deliveries.Sender.start_due

    def sometimes(sender: Any, *arguments: Any) -> int:
        for failure in failures:
            raise failure
        return start_due(sender, *arguments)

    monkeypatch.setattr(deliveries.Sender, "start_due", sometimes)
    queued_delivery()
    deliveries.keep_sending(should_stop=lambda: outcomes() == [True])
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == [
        "no room",
        "can't start new thread",
    ]
    assert Tally.objects.filter(name=counters.SENDER).exists()
