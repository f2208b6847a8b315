"""Messages about a batch: mail to its watchers, and webhooks signed in the Standard Webhooks form.

A delivery is written in the commit that caused it, so that none is lost and none is sent for what was rolled back. It
is sent afterwards, again and again with growing pauses, until the receiver takes it or the schedule is used up. A
receiver may see a message twice; its id is the same each time. Source: https://www.standardwebhooks.com/
"""

from __future__ import annotations

import base64
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import close_old_connections, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone

from batches import clock
from batches.compiled_query import CompiledQuery
from batches.conf import settings
from batches.extensions import Extension
from batches.lanes import counters
from batches.lifecycle import messages
from batches.lifecycle.messages import LATE, Outcome
from batches.lifecycle.side_by_side import SideBySide
from batches.lifecycle.watchers import watchers_of
from batches.models import Batch, Delivery, Milestone, StandingWatch, Transition, Watch, Webhook
from batches.paged_deletes import delete_in_steps

logger = logging.getLogger("batches")

SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds from one attempt to the next; after the last one it is given up."""
TIMEOUT = 15.0
"""Seconds that a receiver of webhooks has for its whole answer."""
PATIENCE = 60.0
"""Seconds after which nobody waits for an exchange, such as with a mail server that answers word by word."""
CLAIM_LENGTH = timedelta(minutes=2)
"""A delivery whose sender died is sent by another after this."""
KEPT_FOR = timedelta(days=30)
MOST_AT_ONCE = 16
"""Receivers that are talked to side by side; each has a thread, none a session of the database."""
ROUND_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0

EVENTS = {
    Batch.Status.COMPLETED: Delivery.Event.COMPLETED,
    Batch.Status.HALTED: Delivery.Event.HALTED,
    Batch.Status.CANCELLED: Delivery.Event.CANCELLED,
    Batch.Status.FAILED: Delivery.Event.FAILED,
}


# -- queueing ----------------------------------------------------------------------------------------------------------


def queue(batch_id: str, event: str, *messages: dict[str, Any]) -> int:
    """Within the causing transaction: of each message a delivery for each active webhook and each watcher; returns how
    many.

    Those to who wants a digest are held until it is made."""
    if not any(LISTENS.rows([batch_id])):
        return 0  # nor are the portal's addresses loaded, which takes a script a quarter of a second
    hooks = list(Webhook.objects.filter(active=True).order_by("pk").values_list("pk", flat=True))
    users = watchers_of(batch_id, of_milestones=event == Delivery.Event.MILESTONE)
    now, common = clock.now(), {"batch_id": batch_id, "event": event}
    rows = []
    for message in messages:
        data = {"batch_id": batch_id, **message, "url": settings.PORTAL_URL + page_of(batch_id)}
        rows += [Delivery(webhook_id=hook, data=data, due_at=now, **common) for hook in hooks]
        rows += [
            Delivery(user_id=user, data=data, due_at=None if held else now, held=held, **common)
            for user, held in users.items()
        ]
    return len(Delivery.objects.bulk_create(rows))


def listened_to(batch_ids: list[str]) -> QuerySet[Batch, tuple[str]]:
    """The batch, if there is anybody who may want to be told of it."""
    hooks, watches = Webhook.objects.filter(active=True), Watch.objects.filter(batch=OuterRef("pk"))
    anybody = Exists(hooks) | Exists(watches) | Exists(StandingWatch.objects.all())
    return Batch.objects.filter(anybody, pk__in=batch_ids).order_by().values_list("pk")


LISTENS = CompiledQuery(listened_to)


def queue_transition(transition: Transition) -> None:
    """One delivery each for a batch that has come to its end, or was halted."""
    status, event = transition.to_status, EVENTS.get(Batch.Status(transition.to_status))
    if event is not None and transition.from_status not in (status, Batch.Status.ARCHIVING):
        data = {"status": status, "reason": transition.reason, "actor": transition.actor}
        queue(transition.batch_id, event, data | transition.counters)


def queue_milestones(reached: Sequence[Milestone], done: int, total: int) -> None:
    messages = [
        {"milestone": each.milestone, "reached_at": clock.iso_utc(each.reached_at), "done": done, "total": total}
        for each in reached
    ]
    queue(reached[0].batch_id, Delivery.Event.MILESTONE, *messages)


EXTENSION = Extension(name="deliveries", transition_recorded=queue_transition, milestones_recorded=queue_milestones)
"""Deliveries hang in the engine as another app would."""


def send_test(hook: Webhook) -> int:
    """Queue a message that says nothing but that it is a test; returns how many were queued, 1 or 0."""
    batch = Batch.objects.order_by("-created_at").first()
    if batch is None or not hook.active:
        return 0
    data = {"batch_id": batch.pk, "test": True, "url": settings.PORTAL_URL + page_of(batch.pk)}
    Delivery.objects.create(batch=batch, event=Delivery.Event.TEST, data=data, webhook=hook, due_at=clock.now())
    return 1


def page_of(batch_id: str) -> str:
    return reverse("admin:batches_batch_change", args=[batch_id])


def new_secret() -> str:
    """A signing secret: whsec_ and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


# -- sending -----------------------------------------------------------------------------------------------------------


class Sender:
    """Sends what is due: receivers side by side, to each one message at a time, the longest due first.

    Its threads talk to receivers only; all that concerns the database is done by who calls it.
    """

    def __init__(self) -> None:
        self.exchanges: SideBySide[Delivery, Outcome] = SideBySide(MOST_AT_ONCE, PATIENCE, LATE)

    def start_due(self, until: datetime | None = None) -> int:
        """Claim what is due (by `until`) and whose receiver is free, each by one statement; returns how many."""
        started = 0
        while self.exchanges.has_room and (delivery := self.next_due(until)) is not None:
            unclaimed = Delivery.objects.filter(pk=delivery.pk, due_at=delivery.due_at, attempts=delivery.attempts)
            if unclaimed.update(due_at=clock.now() + CLAIM_LENGTH, attempts=delivery.attempts + 1):
                delivery.attempts += 1
                self.start(delivery)
                started += 1
        return started

    def next_due(self, until: datetime | None) -> Delivery | None:
        """The longest due of those whose receiver is free."""
        due = Delivery.objects.filter(due_at__lte=until or clock.now_sql()).select_related("webhook", "user", "batch")
        busy = self.exchanges.busy
        if messages.MAIL_SERVER in busy:
            due = due.exclude(webhook=None)
        hooks = Webhook.objects.values_list("pk", "url") if busy else ()
        talked_to = [pk for pk, url in hooks if messages.receiver_at(url) in busy]
        return due.exclude(webhook__in=talked_to).order_by("due_at", "pk").first()

    def start(self, delivery: Delivery) -> None:
        reason = messages.reason_not_to_send(delivery)
        if reason:
            record_attempt(delivery, Outcome(reason, is_given_up=True))
        else:
            work = partial(messages.attempt, delivery, TIMEOUT)
            self.exchanges.start(messages.receiver_of(delivery), delivery, work)

    def record_finished(self, wait: float) -> None:
        """Write down what has come to an end; waits for so many seconds where nothing has."""
        for delivery, outcome in self.exchanges.finished(wait):
            record_attempt(delivery, outcome)


def send_due() -> int:
    """Send all that is due now, and wait for the answers; returns how many were tried."""
    sender, until, tried = Sender(), clock.now(), 0
    while (started := sender.start_due(until)) or sender.exchanges.awaited:
        tried += started
        if sender.exchanges.awaited:
            sender.record_finished(ROUND_SECONDS)
    return tried


def record_attempt(delivery: Delivery, outcome: Outcome) -> None:
    """Delivered, given up, or due again after the schedule's pause, or after the one that was asked for if longer."""
    now = clock.now()
    next_due = None
    if not (outcome.is_delivered or outcome.is_given_up) and delivery.attempts <= len(SCHEDULE):
        next_due = now + timedelta(seconds=max(SCHEDULE[delivery.attempts - 1], outcome.wait))
    answer = outcome.answer.replace("\x00", "")[: messages.LONGEST_ANSWER]
    Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts).update(
        due_at=next_due, delivered_at=now if outcome.is_delivered else None, answer=answer
    )
    if outcome.is_gone and delivery.webhook is not None:
        Webhook.objects.filter(pk=delivery.webhook.pk).update(active=False)


def forget_old() -> int:
    """Remove what was delivered or given up long ago; returns how many."""
    old = Delivery.objects.filter(due_at__isnull=True, held=False, created_at__lt=timezone.now() - KEPT_FOR)
    return delete_in_steps(old)


def resend(delivery: Delivery) -> None:
    """Send it once more, with the schedule from its start, also if it was delivered or given up."""
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=delivery.pk)
        row.attempts, row.due_at, row.delivered_at, row.held = 0, clock.now(), None, False
        row.save(update_fields=["attempts", "due_at", "delivered_at", "held"])


# -- in the background -------------------------------------------------------------------------------------------------


def keep_sending(should_stop: Callable[[], bool] = lambda: False) -> None:
    """For a thread of its own: send what is due, every second, for as long as the process lives."""
    sender, heard_of = Sender(), 0.0
    while not should_stop():
        try:
            close_old_connections()
            sender.start_due()
            sender.record_finished(ROUND_SECONDS)
            if monotonic() - heard_of > HEARTBEAT_SECONDS:
                counters.record_heartbeat(socket.gethostname(), counters.SENDER)
                heard_of = monotonic()
        except AnyDatabaseError as error:
            logger.warning("no deliveries for now: %s", str(error).partition("\n")[0])
            sleep(ROUND_SECONDS)
        except Exception:
            logger.exception("the sender of deliveries failed, and goes on")
            sleep(ROUND_SECONDS)


def send_in_background() -> None:
    threading.Thread(target=keep_sending, name="deliveries", daemon=True).start()
