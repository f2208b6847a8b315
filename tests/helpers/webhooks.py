"""Receivers of webhooks, and what they were told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from batches.lifecycle import deliveries
from batches.models import Delivery
from tests.helpers.batches import modes, submitted
from tests.helpers.http_server import Server


def told_to(server: Server) -> list[dict[str, Any]]:
    return [json.loads(request["body"]) for request in server.seen]


def queued_delivery() -> str:
    """One delivery for each receiver."""
    batch = submitted(modes("ok"))
    deliveries.queue(batch.pk, Delivery.Event.HALTED, {"status": "HALTED", "reason": "too many"})
    return batch.pk


def answering(status: int, headers: dict[str, str] | None = None) -> Callable[[Any], Any]:
    return lambda request: (status, headers or {}, b"well")
