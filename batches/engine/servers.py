"""The servers beside the database: the broker of messages and the channel layer."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

from batches.conf import settings


def servers() -> dict[str, str]:
    """Their addresses, by name; empty of one that is not used."""
    return {"broker": broker(), "layer": settings.REDIS_URL}


def broker() -> str:
    """The broker's address. A process that has sent no message yet has no Celery, of 5 MB: it will use what the
    settings name."""
    named = getattr(settings, "CELERY_BROKER_URL", None)
    if named and "celery" not in sys.modules:
        return str(named)
    from celery import current_app

    return current_app.conf.broker_url or ""


def states() -> dict[str, str]:
    """By name: answers, away, or embedded where no server is named."""
    return {
        name: "embedded" if not urlsplit(url).hostname else "away" if is_away(url) else "answers"
        for name, url in servers().items()
    }


def is_away(url: str) -> bool:
    """A server was named and does not answer within a second or two."""
    if not urlsplit(url).hostname:
        return False
    from kombu import Connection  # as in `broker`

    try:
        with Connection(
            url, connect_timeout=1, transport_options={"socket_connect_timeout": 1, "socket_timeout": 1}
        ) as link:
            link.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=1)
    except Exception:  # whatever a transport raises
        return True
    return False


def messages_waiting() -> int | None:
    """Messages in the broker that no worker has fetched; None where it does not say."""
    from celery import current_app  # as in `broker`

    try:
        with current_app.connection_for_read(connect_timeout=1) as link:
            queue = current_app.conf.task_default_queue
            channel: Any = link.default_channel
            return int(channel.queue_declare(queue, passive=True).message_count)
    except Exception:  # whatever a transport raises
        return None
