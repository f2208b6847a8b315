"""Send again: a message to a webhook or a watcher once more."""

from __future__ import annotations

from django.db import transaction

from batches.lifecycle import deliveries, transitions
from batches.models import Batch, Delivery


def resend(delivery: Delivery, *, actor: str = "") -> None:
    """Send a message again, with the schedule from its start, whatever became of it; the history of its batch says
    so."""
    if delivery.batch_id is None:
        deliveries.resend(delivery)
        return
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=delivery.batch_id)
        deliveries.resend(delivery)
        why = f"Message {delivery.pk} ({delivery.get_event_display().lower()}) to {receiver_of(delivery)}."
        transitions.record(batch, "resend", batch.status, batch.status, actor=actor, reason=why)


def receiver_of(delivery: Delivery) -> str:
    """A webhook by its number: its address may hold a secret, and more people read the history."""
    return f"webhook {delivery.webhook_id}" if delivery.webhook_id else str(delivery.user)
