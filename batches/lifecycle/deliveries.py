"""Word to those outside: mail to a batch's watchers, and webhooks signed in the Standard Webhooks form.

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
from batches.models import Batch, Delivery, Watch, Webhook
from batches.outbound import OutboundRefused
from batches.rights import VIEW

logger = logging.getLogger("batches")

SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds from one attempt to the next; after the last one it is given up."""
TIMEOUT = 15.0
CLAIMED = timedelta(minutes=2)
"""Whoever took a delivery and died is followed by another after so long."""
KEPT = timedelta(days=30)
LONGEST_ANSWER = 4_096
LONGEST_WAIT = 86_400
AT_ONCE = 20
EVERY = 1.0

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


def send_test(hook: Webhook) -> int:
    """A message that says nothing but that it arrives; 1 if it is on its way."""
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
    for one in due.select_related("webhook", "user", "batch")[:AT_ONCE]:
        if should_stop():
            break
        mine = Delivery.objects.filter(pk=one.pk, due_at=one.due_at, attempts=one.attempts)
        if mine.update(due_at=clock.now() + CLAIMED, attempts=one.attempts + 1):
            one.attempts += 1
            attempt(one)
            tried += 1
    return tried


def attempt(one: Delivery) -> None:
    """One try, and what came of it, written down."""
    try:
        answer = post(one) if one.webhook is not None else mail(one)
    except GivenUp as error:
        settle(one, str(error), wait=None)
    except Refused as error:
        settle(one, str(error), wait=error.wait)
    except (OutboundRefused, httpx.HTTPError, OSError) as error:
        settle(one, f"{type(error).__name__}: {error}", wait=0)
    else:
        settle(one, answer, wait=None, delivered=True)


class Refused(Exception):
    """The receiver did not take it now; `wait` is what it asked for, in seconds."""

    def __init__(self, message: str, wait: float = 0) -> None:
        super().__init__(message)
        self.wait = wait


class GivenUp(Exception):
    """No further attempt makes sense."""


def settle(one: Delivery, answer: str, *, wait: float | None, delivered: bool = False) -> None:
    """Delivered, due again after the schedule's pause (or `wait`, if longer), or given up (`wait` None)."""
    now = clock.now()
    again = None
    if wait is not None and one.attempts <= len(SCHEDULE):
        again = now + timedelta(seconds=max(SCHEDULE[one.attempts - 1], min(wait, LONGEST_WAIT)))
    Delivery.objects.filter(pk=one.pk, attempts=one.attempts).update(
        due_at=again, delivered_at=now if delivered else None, answer=answer.replace("\x00", "")[:LONGEST_ANSWER]
    )


def post(one: Delivery) -> str:
    """The signed message, POSTed; the answer's status and beginning."""
    hook = one.webhook
    assert hook is not None
    if not hook.active:
        raise GivenUp("The webhook was made inactive.")
    said = {"type": one.event, "timestamp": one.created_at.isoformat().replace("+00:00", "Z"), "data": one.data}
    body, now = json.dumps(said, separators=(",", ":")), timezone.now()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "batchportal",
        "webhook-id": one.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(hook.secret).sign(one.message_id, now, body),
    }
    answer = outbound.send("POST", hook.url, headers=headers, content=body.encode(), timeout=TIMEOUT)
    said_back = f"{answer.status} {answer.text[:LONGEST_ANSWER]}".strip()
    if 200 <= answer.status < 300:
        return said_back
    if answer.status == 410:
        Webhook.objects.filter(pk=hook.pk).update(active=False)
        raise GivenUp(f"{said_back}: the receiver is gone; the webhook is inactive now.")
    raise Refused(said_back, wait=seconds_of(answer.headers.get("Retry-After", "")))


def seconds_of(retry_after: str) -> float:
    """A Retry-After in seconds; a date is taken for the schedule's own pause."""
    return float(retry_after) if retry_after.isdigit() else 0.0


def mail(one: Delivery) -> str:
    """To a watcher who may still see the batch."""
    user = one.user
    if not isinstance(user, AbstractUser) or not user.email:
        raise GivenUp("The watcher has no mail address.")
    if not user.is_active or not user.has_perm(VIEW):
        raise GivenUp("The watcher may no longer see batches.")
    host = settings.PORTAL_URL.partition("://")[2].partition(":")[0].partition("/")[0]
    message = EmailMessage(
        subject=subject_of(one),
        body=f"{subject_of(one)}\n\n{one.data.get('reason', '')}\n\n{one.data['url']}\n".replace("\n\n\n\n", "\n\n"),
        to=[user.email],
        headers={"Message-ID": f"<{one.message_id}@{host}>"},
    )
    message.send()
    return f"Sent to {user.email}."


def subject_of(one: Delivery) -> str:
    """One line, whatever the batch is called."""
    name = " ".join(str(one.batch).split())
    if one.event == Delivery.Event.MILESTONE:
        return f"{name}: {one.data['milestone']} % done"
    return f"{name}: {Delivery.Event(one.event).label.lower()}"


def forget_old() -> int:
    """Remove what was delivered or given up long ago; returns how many."""
    old = Delivery.objects.filter(due_at__isnull=True, created_at__lt=timezone.now() - KEPT)
    return old.delete()[0]


def again(one: Delivery) -> None:
    """Send it once more, with the schedule from its start, whatever became of it."""
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=one.pk)
        row.attempts, row.due_at, row.delivered_at = 0, timezone.now(), None
        row.save(update_fields=["attempts", "due_at", "delivered_at"])


# -- in the background -------------------------------------------------------------------------------------------------


def keep_sending() -> None:
    """For a thread of its own: what is due, every second, for as long as the process lives."""
    while True:
        try:
            close_old_connections()
            tried = send_due()
        except AnyDatabaseError as error:
            logger.warning("no deliveries for now: %s", str(error).partition("\n")[0])
            tried = 0
        if not tried:
            sleep(EVERY)


def send_in_background() -> None:
    threading.Thread(target=keep_sending, name="deliveries", daemon=True).start()
