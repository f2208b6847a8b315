"""Word to those outside: written with what caused it, signed, sent until it arrives, and to nobody who may not know."""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError, connection, transaction
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook as Verifier

from batches import operations, progress_tracker
from batches.engine import runner
from batches.exceptions import InvalidInput
from batches.lifecycle import deliveries, milestones
from batches.models import Batch, Delivery, Webhook
from batches.signals import milestone_reached
from tests.batches.factories import modes, ran, submitted
from tests.batches.test_admin_pages import page, tab
from tests.batches.test_http_request import Server
from tests.batches.test_rest_rights import client

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    settings.PORTAL_OUTBOUND_HOSTS = [made.address]
    yield made
    made.is_over.set()
    made.shutdown()
    made.server_close()


@pytest.fixture
def hook(server: Server) -> Webhook:
    return Webhook.objects.create(url=f"http://{server.address}/hook", secret=deliveries.new_secret())


@pytest.fixture
def ana(django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("ana", "ana@example.com", "x")


def said(server: Server) -> list[dict[str, Any]]:
    return [json.loads(request["body"]) for request in server.seen]


def queued() -> str:
    """One delivery for each receiver."""
    batch = submitted(modes("ok"))
    deliveries.queue(batch.pk, Delivery.Event.HALTED, {"status": "HALTED", "reason": "too many"})
    return batch.pk


def answering(status: int, headers: dict[str, str] | None = None) -> Callable[[Any], Any]:
    return lambda request: (status, headers or {}, b"well")


def test_it_tells_a_webhook_each_milestone_and_the_end_once(server: Server, hook: Webhook) -> None:
    ran(modes(*["ok"] * 8))
    deliveries.send_due()
    assert deliveries.send_due() == 0
    told = said(server)
    assert [one["data"].get("milestone") for one in told if one["type"] == "batch.milestone"] == [25, 50, 75, 100]
    assert [one["data"]["status"] for one in told if one["type"] == "batch.completed"] == ["COMPLETED"]
    assert len(told) == 5
    assert not Delivery.objects.filter(delivered_at=None).exists()


def test_it_signs_so_that_the_standards_own_library_believes_it(server: Server, hook: Webhook) -> None:
    ran(modes("ok"))
    deliveries.send_due()
    request = server.seen[0]
    assert Verifier(hook.secret).verify(request["body"], request["headers"])["data"]["batch_id"]
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(deliveries.new_secret()).verify(request["body"], request["headers"])


def test_it_tries_again_later_under_the_same_id_until_it_is_taken(server: Server, hook: Webhook) -> None:
    queued()
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
    queued()
    server.answer = answering(429, {"Retry-After": "3600"})
    deliveries.send_due()
    due = Delivery.objects.get().due_at
    assert due is not None
    assert due > timezone.now() + timedelta(minutes=55)


def test_it_gives_up_when_the_schedule_is_used_up(server: Server, hook: Webhook) -> None:
    queued()
    server.answer = answering(500)
    for _ in range(len(deliveries.SCHEDULE) + 1):
        Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        deliveries.send_due()
    row = Delivery.objects.get()
    assert (row.due_at, row.delivered_at, row.attempts) == (None, None, len(deliveries.SCHEDULE) + 1)


def test_it_tells_a_receiver_that_is_gone_nothing_more(server: Server, hook: Webhook) -> None:
    queued()
    server.answer = answering(410)
    deliveries.send_due()
    hook.refresh_from_db()
    assert not hook.active
    queued()
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://127.0.0.1:1/", "http://evil.example/"])
def test_it_is_not_sent_where_the_portal_may_not_go(server: Server, url: str) -> None:
    Webhook.objects.create(url=url, secret=deliveries.new_secret())
    queued()
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
    queued()
    rows = list(Delivery.objects.select_related("webhook", "user", "batch"))
    mine = Delivery.objects.filter(pk=rows[0].pk, due_at=rows[0].due_at, attempts=0)
    assert mine.update(attempts=1, due_at=timezone.now() + deliveries.CLAIM_LENGTH) == 1
    assert deliveries.send_due() == 0
    assert server.seen == []


def test_it_mails_those_who_watch_and_no_longer_those_who_stopped(ana: Any) -> None:
    batch = submitted(modes(*["ok"] * 4), name="a\nb")
    operations.watch(batch.pk, ana)
    operations.watch(batch.pk, ana)
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    deliveries.send_due()
    assert [message.to for message in mail.outbox] == [["ana@example.com"]] * 5
    assert mail.outbox[0].subject == "a b: 25 % done"
    assert batch.pk in str(mail.outbox[0].body)
    other = submitted(modes("ok"))
    operations.watch(other.pk, ana)
    operations.unwatch(other.pk, ana)
    assert not operations.is_watching(other, ana)


def test_it_mails_nobody_who_lost_the_right_to_look(ana: Any) -> None:
    batch = submitted(modes("ok"))
    operations.watch(batch.pk, ana)
    ana.is_superuser = False
    ana.save()
    deliveries.queue(batch.pk, Delivery.Event.HALTED, {"status": "HALTED"})
    deliveries.send_due()
    assert mail.outbox == []
    assert "may no longer" in Delivery.objects.get().answer


def test_it_refuses_a_watcher_without_an_address(ana: Any) -> None:
    ana.email = ""
    with pytest.raises(InvalidInput, match="no mail address"):
        operations.watch(submitted(modes("ok")).pk, ana)


def test_it_is_watched_over_rest_by_whoever_may_look(django_user_model: Any) -> None:
    batch = submitted(modes("ok"))
    viewer = client("viewer")
    viewer_row = django_user_model.objects.get(username="viewer")
    viewer_row.email = "v@example.com"
    viewer_row.save()
    address = f"/api/batches/{batch.pk}/watch"
    assert viewer.post(address).status_code == 204
    assert operations.is_watching(batch, viewer_row)
    assert viewer.delete(address).status_code == 204
    assert not operations.is_watching(batch, viewer_row)
    assert viewer.post("/api/batches/none/watch").status_code == 404


def test_it_costs_a_chunk_without_a_milestone_nothing(hook: Webhook, django_assert_num_queries: Any) -> None:
    batch = submitted(modes("ok"))
    with django_assert_num_queries(1, connection=connection):
        milestones.reach_milestones(batch.pk, 0, 100)


def test_it_forgets_what_was_settled_long_ago(server: Server, hook: Webhook) -> None:
    queued()
    deliveries.send_due()
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=40))
    assert deliveries.forget_old() == 1


def test_it_shows_the_log_to_operators_and_webhooks_to_admins_only(user_of: Any, hook: Webhook) -> None:
    queued()
    log, hooks = reverse("admin:batches_delivery_changelist"), reverse("admin:batches_webhook_changelist")
    expected = {"viewer": (403, 403), "operator": (200, 403), "admin": (200, 200)}
    for role, codes in expected.items():
        client = tab(user_of(role))
        assert (client.get(log).status_code, client.get(hooks).status_code) == codes
    assert hook.secret not in page(client, hooks)
    assert hook.secret not in page(client, reverse("admin:batches_webhook_change", args=[hook.pk]))


def test_it_makes_the_secret_itself_and_shows_it_once(user_of: Any, server: Server) -> None:
    client, add = tab(user_of("admin")), reverse("admin:batches_webhook_add")
    shown = client.post(add, {"url": f"http://{server.address}/h", "active": "on"}, follow=True).content.decode()
    assert html.escape(Webhook.objects.get().secret) in shown
    assert Webhook.objects.get().secret not in page(client, reverse("admin:batches_webhook_changelist"))


@pytest.mark.parametrize("url", ["http://localhost/x", "ftp://a.example/", "http://u:p@a.example/", "no url"])
def test_it_refuses_a_webhook_it_may_not_call(user_of: Any, url: str) -> None:
    client = tab(user_of("admin"))
    answer = client.post(reverse("admin:batches_webhook_add"), {"url": url, "active": "on"})
    assert answer.status_code == 200
    assert not Webhook.objects.exists()


def test_it_sends_once_more_when_asked(user_of: Any, server: Server, hook: Webhook) -> None:
    queued()
    deliveries.send_due()
    log, row = reverse("admin:batches_delivery_changelist"), Delivery.objects.get()
    tab(user_of("operator")).post(log, {"action": "send_again", "_selected_action": row.pk})
    hooks = reverse("admin:batches_webhook_changelist")
    tab(user_of("admin")).post(hooks, {"action": "send_test", "_selected_action": hook.pk})
    assert deliveries.send_due() == 2
    assert [one["type"] for one in said(server)] == ["batch.halted", "batch.halted", "batch.test"]


def test_it_notes_in_the_batchs_history_who_sent_a_message_again(user_of: Any, hook: Webhook) -> None:
    queued()
    row = Delivery.objects.get()
    log = reverse("admin:batches_delivery_changelist")
    tab(user_of("operator")).post(log, {"action": "send_again", "_selected_action": row.pk})
    note = row.batch.transitions.get(verb="resend")
    assert (note.actor, note.from_status) == ("operator", note.to_status)
    assert note.reason == f"Message {row.pk} (halted) to webhook {hook.pk}."
    assert hook.url not in note.reason


def test_it_notes_in_a_webhooks_history_who_changed_its_secret(user_of: Any, hook: Webhook) -> None:
    client, before = tab(user_of("admin")), hook.secret
    hooks = reverse("admin:batches_webhook_changelist")
    client.post(hooks, {"action": "new_secret", "_selected_action": hook.pk})
    hook.refresh_from_db()
    assert hook.secret != before
    history = page(client, reverse("admin:batches_webhook_history", args=[hook.pk]))
    assert "Made a new signing secret." in history
    assert hook.secret not in history


def test_it_is_watched_from_the_page(user_of: Any, django_user_model: Any) -> None:
    viewer, batch = user_of("viewer"), submitted(modes("ok"))
    client, address = tab(viewer), reverse("admin:batches_batch_watch", args=[batch.pk])
    assert "no mail address" in client.post(address, {"watch": "1"}, follow=True).content.decode()
    django_user_model.objects.filter(pk=viewer.pk).update(email="v@example.com")
    client.post(address, {"watch": "1"})
    assert "Stop watching" in page(client, batch.get_absolute_url())
    client.post(address, {"watch": "0"})
    assert "Stop watching" not in page(client, batch.get_absolute_url())
    assert client.get(address).status_code == 405


@pytest.fixture
def heard() -> Iterator[list[tuple[str, int]]]:
    """What the signal said: (batch, milestone)."""
    said: list[tuple[str, int]] = []

    def hear(sender: Any, batch_id: str, milestone: int, **more: Any) -> None:
        said.append((batch_id, milestone))

    milestone_reached.connect(hear)
    yield said
    milestone_reached.disconnect(hear)


def milestones_told(server: Server) -> list[int]:
    while deliveries.send_due():
        pass
    return [one["data"]["milestone"] for one in said(server) if one["type"] == "batch.milestone"]


def test_a_retry_of_a_completed_batch_reaches_no_milestone_again_but_ends_again(
    server: Server, hook: Webhook, heard: list[tuple[str, int]]
) -> None:
    batch = ran(modes(*["ok"] * 4, *["error"] * 4), max_attempts=1)
    reached = list(batch.milestones.values_list("pk", "reached_at"))
    for _ in range(2):
        operations.retry(batch.pk, all_failed=True)
        runner.work_until_idle(batch.pk)
    assert list(batch.milestones.values_list("pk", "reached_at")) == reached
    assert milestones_told(server) == [25, 50, 75, 100]
    assert [one["type"] for one in said(server)].count("batch.completed") == 3
    assert heard == [(batch.pk, mark) for mark in (25, 50, 75, 100)]
    assert operations.verify(batch.pk) == []


def test_a_batch_that_grows_keeps_the_milestones_it_has(
    server: Server, hook: Webhook, heard: list[tuple[str, int]]
) -> None:
    progress_tracker.start_batch("grows", 4)
    progress_tracker.increment_completed("grows", 4)
    progress_tracker.increment_completed("grows", 40)
    assert milestones_told(server) == [25, 50, 75, 100]
    progress_tracker.start_batch("grows", 4)  # counted anew, so reached anew
    progress_tracker.increment_completed("grows", 1)
    assert milestones_told(server) == [25, 50, 75, 100, 25]
    assert heard[-1] == ("grows", 25)


def test_a_chunk_that_is_rolled_back_reached_nothing(
    server: Server, hook: Webhook, heard: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = milestones.reach_milestones, iter([True])

    def fail_once(*arguments: Any) -> list[int]:
        new = real(*arguments)
        if next(tries, False):
            raise OperationalError("database is locked")
        return new

    monkeypatch.setattr(milestones, "reach_milestones", fail_once)
    batch = ran(modes(*["ok"] * 4))
    assert Delivery.objects.filter(event=Delivery.Event.MILESTONE).count() == 4
    assert milestones_told(server) == [25, 50, 75, 100]
    assert heard == [(batch.pk, mark) for mark in (25, 50, 75, 100)]


def test_an_empty_batch_is_complete_with_all_milestones(heard: list[tuple[str, int]]) -> None:
    Batch.objects.create(pk="empty", processor="test.do", total_items=0)
    operations.start("empty")
    runner.work_until_idle("empty")
    found = progress_tracker.get_progress("empty")
    assert (found.status, found.outcome, found.progress_percent, found.eta_seconds) == (
        "COMPLETED",
        "clean",
        100.0,
        None,
    )
    assert heard == [("empty", mark) for mark in (25, 50, 75, 100)]
