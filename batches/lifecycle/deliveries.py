"""Messages about a batch: mail to its watchers, and webhooks signed in the Standard Webhooks form.

A delivery is written in the commit that caused it, so that none is lost and none is sent for what was rolled back. It
is sent afterwards, again and again with growing pauses, until the receiver takes it or the schedule is used up. A
receiver may see a message twice; its id is the same each time. Source: https://www.standardwebhooks.com/
"""

from __future__ import annotations

import base64
import json
import logging
import secrets
import threading
from collections.abc import Callable
from datetime import timedelta
from time import sleep
from typing import Any

import httpx
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.mail import EmailMessage
from django.db import Error as AnyDatabaseError
from django.db import close_old_connections, transaction
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook as Signer

from batches import clock, outbound
from batches.extensions import Extension
from batches.models import Batch, Delivery, Milestone, Transition, Watch, Webhook
from batches.outbound import OutboundRefused
from batches.rights import VIEW

logger = logging.getLogger("batches")

SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds from one attempt to the next; after the last one it is given up."""
TIMEOUT = 15.0  # seconds
CLAIM_LENGTH = timedelta(minutes=2)
"""A delivery whose sender died is sent by another after this."""
KEPT_FOR = timedelta(days=30)
LONGEST_ANSWER = 4_096  # characters kept
LONGEST_WAIT = 86_400  # seconds
DELIVERIES_PER_ROUND = 20
ROUND_SECONDS = 1.0

EVENTS = {
    Batch.Status.COMPLETED: Delivery.Event.COMPLETED,
    Batch.Status.HALTED: Delivery.Event.HALTED,
    Batch.Status.CANCELLED: Delivery.Event.CANCELLED,
    Batch.Status.FAILED: Delivery.Event.FAILED,
}


# -- queueing ----------------------------------------------------------------------------------------------------------


def queue(batch_id: str, event: str, data: dict[str, Any]) -> int:
    """Within the causing transaction: one delivery for each active webhook and each watcher; returns how many."""
    hooks = Webhook.objects.filter(active=True).values_list("pk", flat=True)
    users = Watch.objects.filter(batch=batch_id).values_list("user", flat=True)
    common: dict[str, Any] = {"batch_id": batch_id, "event": event, "due_at": timezone.now()}
    data = {"batch_id": batch_id, **data, "url": settings.PORTAL_URL + page_of(batch_id)}
    rows = [Delivery(webhook_id=hook, data=data, **common) for hook in hooks]
    rows += [Delivery(user_id=user, data=data, **common) for user in users]
    return len(Delivery.objects.bulk_create(rows))


def queue_transition(transition: Transition) -> None:
    """One delivery each for a batch that has come to its end, or was halted."""
    status, event = transition.to_status, EVENTS.get(Batch.Status(transition.to_status))
    if event is not None and status != transition.from_status:
        data = {"status": status, "reason": transition.reason, "actor": transition.actor}
        queue(transition.batch_id, event, data | transition.counters)


def queue_milestone(milestone: Milestone, done: int, total: int) -> None:
    reached_at = clock.iso_utc(milestone.reached_at)
    data = {"milestone": milestone.milestone, "reached_at": reached_at, "done": done, "total": total}
    queue(milestone.batch_id, Delivery.Event.MILESTONE, data)


EXTENSION = Extension(name="deliveries", transition_recorded=queue_transition, milestone_recorded=queue_milestone)
"""Deliveries hang in the engine as another app would."""


def send_test(hook: Webhook) -> int:
    """Queue a message that says nothing but that it is a test; returns how many were queued, 1 or 0."""
    batch = Batch.objects.order_by("-created_at").first()
    if batch is None or not hook.active:
        return 0
    data = {"batch_id": batch.pk, "test": True, "url": settings.PORTAL_URL + page_of(batch.pk)}
    Delivery.objects.create(batch=batch, event=Delivery.Event.TEST, data=data, webhook=hook, due_at=timezone.now())
    return 1


def page_of(batch_id: str) -> str:
    return reverse("admin:batches_batch_change", args=[batch_id])


def new_secret() -> str:
    """A signing secret: whsec_ and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


# -- sending -----------------------------------------------------------------------------------------------------------


def send_due(should_stop: Callable[[], bool] = lambda: False) -> int:
    """Send what is due, each claimed first by one statement; returns how many were tried."""
    due = Delivery.objects.filter(due_at__lte=clock.now_sql()).order_by("due_at")
    tried = 0
    for delivery in due.select_related("webhook", "user", "batch")[:DELIVERIES_PER_ROUND]:
        if should_stop():
            break
        unclaimed = Delivery.objects.filter(pk=delivery.pk, due_at=delivery.due_at, attempts=delivery.attempts)
        if unclaimed.update(due_at=clock.now() + CLAIM_LENGTH, attempts=delivery.attempts + 1):
            delivery.attempts += 1
            attempt(delivery)
            tried += 1
    return tried


def attempt(delivery: Delivery) -> None:
    """Send it once, and record the answer."""
    try:
        answer = post(delivery) if delivery.webhook is not None else mail(delivery)
    except GivenUp as error:
        record_attempt(delivery, str(error), wait=None)
    except Refused as error:
        record_attempt(delivery, str(error), wait=error.wait)
    except (OutboundRefused, httpx.HTTPError, OSError) as error:
        record_attempt(delivery, f"{type(error).__name__}: {error}", wait=0)
    else:
        record_attempt(delivery, answer, wait=None, delivered=True)


class Refused(Exception):
    """The receiver did not take it now; `wait` is the pause that it asked for, in seconds."""

    def __init__(self, message: str, wait: float = 0) -> None:
        super().__init__(message)
        self.wait = wait


class GivenUp(Exception):
    """No further attempt makes sense."""


def record_attempt(delivery: Delivery, answer: str, *, wait: float | None, delivered: bool = False) -> None:
    """Delivered, due again after the schedule's pause (or `wait`, if longer), or given up (`wait` None)."""
    now = clock.now()
    next_due = None
    if wait is not None and delivery.attempts <= len(SCHEDULE):
        next_due = now + timedelta(seconds=max(SCHEDULE[delivery.attempts - 1], min(wait, LONGEST_WAIT)))
    Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts).update(
        due_at=next_due, delivered_at=now if delivered else None, answer=answer.replace("\x00", "")[:LONGEST_ANSWER]
    )


def post(delivery: Delivery) -> str:
    """POST the signed message; returns status and beginning of the answer, or raises `Refused` or `GivenUp`."""
    hook = delivery.webhook
    assert hook is not None
    if not hook.active:
        raise GivenUp("The webhook was made inactive.")
    message = {"type": delivery.event, "timestamp": clock.iso_utc(delivery.created_at), "data": delivery.data}
    body, now = json.dumps(message, separators=(",", ":")), timezone.now()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "batchportal",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(hook.secret).sign(delivery.message_id, now, body),
    }
    answer = outbound.send("POST", hook.url, headers=headers, content=body.encode(), timeout=TIMEOUT)
    summary = f"{answer.status} {answer.text[:LONGEST_ANSWER]}".strip()
    if 200 <= answer.status < 300:
        return summary
    if answer.status == 410:
        Webhook.objects.filter(pk=hook.pk).update(active=False)
        raise GivenUp(f"{summary}: the receiver is gone; the webhook is inactive now.")
    raise Refused(summary, wait=outbound.seconds_to_wait(answer.headers.get("Retry-After", "")) or 0)


def mail(delivery: Delivery) -> str:
    """Mail a watcher who may still see the batch; returns to whom, or raises `GivenUp`."""
    user = delivery.user
    if not isinstance(user, AbstractUser) or not user.email:
        raise GivenUp("The watcher has no mail address.")
    if not user.is_active or not user.has_perm(VIEW):
        raise GivenUp("The watcher may no longer see batches.")
    host = settings.PORTAL_URL.partition("://")[2].partition(":")[0].partition("/")[0]
    subject, reason = subject_of(delivery), delivery.data.get("reason", "")
    message = EmailMessage(
        subject=subject,
        body="\n\n".join(filter(None, (subject, reason, delivery.data["url"]))) + "\n",
        to=[user.email],
        headers={"Message-ID": f"<{delivery.message_id}@{host}>"},
    )
    message.send()
    return f"Sent to {user.email}."


def subject_of(delivery: Delivery) -> str:
    """The mail's subject: one line, also where the batch's name has several."""
    name = " ".join(str(delivery.batch).split())
    if delivery.event == Delivery.Event.MILESTONE:
        return f"{name}: {delivery.data['milestone']} % done"
    return f"{name}: {Delivery.Event(delivery.event).label.lower()}"


def forget_old() -> int:
    """Remove what was delivered or given up long ago; returns how many."""
    old = Delivery.objects.filter(due_at__isnull=True, created_at__lt=timezone.now() - KEPT_FOR)
    return old.delete()[0]


def resend(delivery: Delivery) -> None:
    """Send it once more, with the schedule from its start, also if it was delivered or given up."""
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=delivery.pk)
        row.attempts, row.due_at, row.delivered_at = 0, timezone.now(), None
        row.save(update_fields=["attempts", "due_at", "delivered_at"])


# -- in the background -------------------------------------------------------------------------------------------------


def keep_sending() -> None:
    """For a thread of its own: send what is due, every second, for as long as the process lives."""
    while True:
        try:
            close_old_connections()
            tried = send_due()
        except AnyDatabaseError as error:
            logger.warning("no deliveries for now: %s", str(error).partition("\n")[0])
            tried = 0
        if not tried:
            sleep(ROUND_SECONDS)


def send_in_background() -> None:
    threading.Thread(target=keep_sending, name="deliveries", daemon=True).start()
