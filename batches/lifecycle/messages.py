"""What a delivery says to its receiver, and what the receiver answers: signed POSTs, and mails."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC

from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils import timezone

from batches import accounts, clock, outbound
from batches.conf import settings
from batches.models import Delivery
from batches.moments import moment
from batches.outbound import OutboundRefused
from batches.rights import VIEW
from batches.wording import quantity

logger = logging.getLogger("batches")

LONGEST_ANSWER = 4_096  # characters kept


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt."""

    answer: str
    is_delivered: bool = False
    is_given_up: bool = False
    """No further attempt makes sense."""
    is_gone: bool = False
    """The receiver wants nothing more, ever (410)."""
    wait: float = 0.0
    """The pause that the receiver asks for, in seconds."""


UNREADABLE = "The signing secret cannot be read: SECRET_KEY was changed without a fallback. Make a new secret."
LATE = Outcome("It did not come to an end in time.")


def reason_not_to_send(delivery: Delivery) -> str:
    """Why the message is for nobody (any more); empty where it is to be sent."""
    hook, user = delivery.webhook, delivery.user
    if hook is not None:
        return "" if hook.active else "The webhook was made inactive."
    if user is None or not accounts.mail_address(user):
        return "The watcher has no mail address."
    if not user.is_active or not user.has_perm(VIEW):
        return "The watcher may no longer see batches."
    return ""


def attempt(delivery: Delivery, timeout: float) -> Outcome:
    """Send it once, within `timeout` seconds for a POST; whatever goes wrong is an outcome of this delivery.

    Asks nothing of the database: webhook, user and batch were read with the delivery.
    """
    from httpx import HTTPError  # with the first delivery, not with every process

    send: Callable[[], Outcome] = (lambda: post(delivery, timeout)) if delivery.webhook else lambda: mail(delivery)
    try:
        return send()
    except (OutboundRefused, HTTPError, OSError) as error:
        return Outcome(f"{type(error).__name__}: {error}")
    except Exception as error:
        logger.exception("delivery %s could not be sent", delivery.pk)
        return Outcome(f"It could not be sent: {type(error).__name__}: {error}")


def post(delivery: Delivery, timeout: float) -> Outcome:
    """POST the signed message, and read the beginning of the answer."""
    from standardwebhooks import Webhook as Signer  # it comes with httpx

    hook = delivery.webhook
    assert hook is not None
    message = {"type": delivery.event, "timestamp": clock.iso_utc(delivery.created_at), "data": delivery.data}
    body, now = json.dumps(message, separators=(",", ":")), timezone.now()
    secrets = hook.signing_secrets(now)
    if not secrets:
        return Outcome(UNREADABLE)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Signer(key).sign(delivery.message_id, now, body) for key in secrets),
    }
    answer = outbound.send("POST", hook.url, headers=headers, content=body.encode(), timeout=timeout)
    summary = f"{answer.status} {answer.text[:LONGEST_ANSWER]}".strip()
    if 200 <= answer.status < 300:
        return Outcome(summary, is_delivered=True)
    if answer.status == 410:
        gone = f"{summary}: the receiver is gone; the webhook is inactive now."
        return Outcome(gone, is_given_up=True, is_gone=True)
    return Outcome(summary, wait=outbound.seconds_to_wait(answer.headers.get("Retry-After", "")) or 0.0)


def mail(delivery: Delivery) -> Outcome:
    """Mail a watcher."""
    address = accounts.mail_address(delivery.user)
    host = settings.PORTAL_URL.partition("://")[2].partition(":")[0].partition("/")[0]
    choices = settings.PORTAL_URL + reverse("admin:batches_mail")
    message = EmailMessage(
        subject=subject_of(delivery),
        body="\n\n".join((*paragraphs_of(delivery), f"What is mailed to you, and to end it: {choices}")) + "\n",
        to=[address],
        headers={"Message-ID": f"<{delivery.message_id}@{host}>", "List-Unsubscribe": f"<{choices}>"},
    )
    message.send()
    return Outcome(f"Sent to {address}.", is_delivered=True)


def paragraphs_of(delivery: Delivery) -> list[str]:
    """What the mail says: of one event, or of each that a digest lists, with links."""
    if delivery.event != Delivery.Event.DIGEST:
        happened = f"That was at {moment(delivery.created_at, zone=UTC)}; the page says how it stands now."
        texts = (subject_of(delivery), delivery.data.get("reason", ""), happened, delivery.data["url"])
        return [text for text in texts if text]
    lines = delivery.data["lines"]
    listed = ["\n".join(filter(None, (line["text"], line["reason"], line["url"]))) for line in lines]
    more = delivery.data["messages"] - len(lines)
    return listed + ([f"And {more:,} more."] if more else [])


def subject_of(delivery: Delivery) -> str:
    """The mail's subject: one line, also where the batch's name has several."""
    if delivery.event == Delivery.Event.DIGEST:
        return f"Digest: {quantity(delivery.data['messages'], 'message')} about batches"
    name = " ".join(str(delivery.batch).split())
    if delivery.event == Delivery.Event.MILESTONE:
        return f"{name}: {delivery.data['milestone']} % done"
    return f"{name}: {Delivery.Event(delivery.event).label.lower()}"


# -- to whom -----------------------------------------------------------------------------------------------------------

MAIL_SERVER = "mail"


def receiver_of(delivery: Delivery) -> str:
    """Who is busy while this is sent: an origin, or the mail server."""
    return MAIL_SERVER if delivery.webhook is None else receiver_at(delivery.webhook.url)


def receiver_at(url: str) -> str:
    """The origin of an address; the address itself where it has none."""
    try:
        scheme, host, port = outbound.origin_of(url)
    except OutboundRefused:
        return url
    return f"{scheme}://{host}:{port}"
