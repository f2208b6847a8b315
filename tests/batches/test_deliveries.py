"""Word to those outside: written with what caused it, signed, sent until it arrives, and to nobody who may not know."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook as Verifier

from batches.lifecycle import deliveries
from batches.models import Delivery, Webhook
from tests.helpers.batches import modes, ran, submitted
from tests.helpers.http_server import Server
from tests.helpers.pages import page
from tests.helpers.people import signed_in
from tests.helpers.webhooks import answering, queued_delivery, told_to

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def test_it_signs_so_that_the_standards_own_library_believes_it(server: Server, hook: Webhook) -> None:
    ran(modes("ok"))
    deliveries.send_due()
    request = server.seen[0]
    assert Verifier(hook.secret).verify(request["body"], request["headers"])["data"]["batch_id"]
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(deliveries.new_secret()).verify(request["body"], request["headers"])


def test_where_nobody_receives_anything_no_address_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def reverse_loads_every_page(*arguments: Any, **more: Any) -> str:
        raise AssertionError("a script has no use for that")

    monkeypatch.setattr(deliveries, "reverse", reverse_loads_every_page)
    assert ran(modes("ok")).status == "COMPLETED"
    assert not Delivery.objects.exists()


def test_it_tries_again_later_under_the_same_id_until_it_is_taken(server: Server, hook: Webhook) -> None:
    queued_delivery()
    server.answer = answering(500)
    assert deliveries.send_due() == 1
    row = Delivery.objects.get()
    assert (row.attempts, row.delivered_at, row.answer) == (1, None, "500 well")
    assert row.due_at is not None
    assert row.due_at > timezone.now()
    assert deliveries.send_due() == 0
    Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    server.answer = answering(204)
    assert deliveries.send_due() == 1
    row.refresh_from_db()
    assert row.delivered_at is not None
    assert row.due_at is None
    assert len({request["headers"]["webhook-id"] for request in server.seen}) == 1


def test_it_waits_as_long_as_the_receiver_asks(server: Server, hook: Webhook) -> None:
    queued_delivery()
    server.answer = answering(429, {"Retry-After": "3600"})
    deliveries.send_due()
    due = Delivery.objects.get().due_at
    assert due is not None
    assert due > timezone.now() + timedelta(minutes=55)


def test_it_gives_up_when_the_schedule_is_used_up(server: Server, hook: Webhook) -> None:
    queued_delivery()
    server.answer = answering(500)
    for _ in range(len(deliveries.SCHEDULE) + 1):
        Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        deliveries.send_due()
    row = Delivery.objects.get()
    assert (row.due_at, row.delivered_at, row.attempts) == (None, None, len(deliveries.SCHEDULE) + 1)


def test_it_tells_a_receiver_that_is_gone_nothing_more(server: Server, hook: Webhook) -> None:
    queued_delivery()
    server.answer = answering(410)
    deliveries.send_due()
    hook.refresh_from_db()
    assert not hook.active
    queued_delivery()
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://127.0.0.1:1/", "http://evil.example/"])
def test_it_is_not_sent_where_the_portal_may_not_go(server: Server, url: str) -> None:
    Webhook.objects.create(url=url, secret=deliveries.new_secret())
    queued_delivery()
    deliveries.send_due()
    assert "OutboundRefused" in Delivery.objects.get().answer
    assert server.seen == []


def test_it_tells_nobody_what_was_rolled_back(hook: Webhook) -> None:
    batch = submitted(modes("ok"))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        deliveries.queue(batch.pk, Delivery.Event.FAILED, {})
        raise ZeroDivisionError
    assert not Delivery.objects.exists()


def test_it_is_sent_by_one_of_two_that_want_to(server: Server, hook: Webhook) -> None:
    queued_delivery()
    rows = list(Delivery.objects.select_related("webhook", "user", "batch"))
    mine = Delivery.objects.filter(pk=rows[0].pk, due_at=rows[0].due_at, attempts=0)
    assert mine.update(attempts=1, due_at=timezone.now() + deliveries.CLAIM_LENGTH) == 1
    assert deliveries.send_due() == 0
    assert server.seen == []


def test_it_forgets_what_was_settled_long_ago(server: Server, hook: Webhook) -> None:
    queued_delivery()
    deliveries.send_due()
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=40))
    assert deliveries.forget_old() == 1


def test_it_shows_the_log_to_operators_and_webhooks_to_admins_only(user_of: Any, hook: Webhook) -> None:
    queued_delivery()
    log, hooks = reverse("admin:batches_delivery_changelist"), reverse("admin:batches_webhook_changelist")
    expected = {"viewer": (403, 403), "operator": (200, 403), "admin": (200, 200)}
    for role, codes in expected.items():
        client = signed_in(user_of(role))
        assert (client.get(log).status_code, client.get(hooks).status_code) == codes
    assert hook.secret not in page(client, hooks)
    assert hook.secret not in page(client, reverse("admin:batches_webhook_change", args=[hook.pk]))


def test_it_makes_the_secret_itself_and_shows_it_once(user_of: Any, server: Server) -> None:
    client, add = signed_in(user_of("admin")), reverse("admin:batches_webhook_add")
    shown = client.post(add, {"url": f"http://{server.address}/h", "active": "on"}, follow=True).content.decode()
    assert html.escape(Webhook.objects.get().secret) in shown
    assert Webhook.objects.get().secret not in page(client, reverse("admin:batches_webhook_changelist"))


@pytest.mark.parametrize("url", ["http://localhost/x", "ftp://a.example/", "http://u:p@a.example/", "no url"])
def test_it_refuses_a_webhook_it_may_not_call(user_of: Any, url: str) -> None:
    client = signed_in(user_of("admin"))
    answer = client.post(reverse("admin:batches_webhook_add"), {"url": url, "active": "on"})
    assert answer.status_code == 200
    assert not Webhook.objects.exists()


def test_it_sends_once_more_when_asked(user_of: Any, server: Server, hook: Webhook) -> None:
    queued_delivery()
    deliveries.send_due()
    log, row = reverse("admin:batches_delivery_changelist"), Delivery.objects.get()
    signed_in(user_of("operator")).post(log, {"action": "send_again", "_selected_action": row.pk})
    hooks = reverse("admin:batches_webhook_changelist")
    signed_in(user_of("admin")).post(hooks, {"action": "send_test", "_selected_action": hook.pk})
    assert deliveries.send_due() == 2
    assert [one["type"] for one in told_to(server)] == ["batch.halted", "batch.halted", "batch.test"]


def test_it_notes_in_the_batchs_history_who_sent_a_message_again(user_of: Any, hook: Webhook) -> None:
    queued_delivery()
    row = Delivery.objects.get()
    log = reverse("admin:batches_delivery_changelist")
    signed_in(user_of("operator")).post(log, {"action": "send_again", "_selected_action": row.pk})
    note = row.batch.transitions.get(verb="resend")
    assert (note.actor, note.from_status) == ("operator", note.to_status)
    assert note.reason == f"Message {row.pk} (halted) to webhook {hook.pk}."
    assert hook.url not in note.reason


def test_it_notes_in_a_webhooks_history_who_changed_its_secret(user_of: Any, hook: Webhook) -> None:
    client, before = signed_in(user_of("admin")), hook.secret
    hooks = reverse("admin:batches_webhook_changelist")
    client.post(hooks, {"action": "new_secret", "_selected_action": hook.pk}, follow=True)  # where it is shown, once
    hook.refresh_from_db()
    assert hook.secret != before
    history = page(client, reverse("admin:batches_webhook_history", args=[hook.pk]))
    assert "Made a new signing secret." in history
    assert hook.secret not in history
