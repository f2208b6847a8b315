"""Batches of which every second item failed in one way, and the addresses of that group."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from batches.models import Batch, Checkpoint, Item
from errors.models import ErrorGroup
from tests.helpers.failures import batch_of, fail, raised
from tests.helpers.pages import page, words


def half_failed(size: int = 6, batch_id: str = "b1", message: str = 'Country "{}" unsupported', **more: Any) -> Batch:
    """Every second item fails; the runner's counters are kept as it would."""
    batch = batch_of(size, batch_id, **more)
    for item in Item.objects.filter(batch=batch):
        item.payload = {"country": "DE" if item.position % 2 == 0 else "FR", "n": item.position} | item.payload
        item.save()
    for n in range(0, size, 2):
        fail(batch, n, raised(ValueError(message.format("DE"))))
    failed = Item.objects.filter(batch=batch, error_records__isnull=False)
    failed.update(status="FAILED", attempts=1, failed_at=timezone.now(), code="VALIDATION_FAILED")
    Item.objects.filter(batch=batch, attempts=0).update(status="SUCCEEDED", attempts=1)
    Checkpoint.objects.create(batch=batch, failed=(size + 1) // 2, succeeded=size // 2)
    return batch


def group_url(batch: Batch, group: ErrorGroup | None = None, **query: Any) -> str:
    group = group or ErrorGroup.objects.get()
    address = reverse("admin:errors_group", args=[batch.pk, group.fingerprint])
    return address + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")


def group_act_url(batch: Batch, verb: str, group: ErrorGroup | None = None) -> str:
    return reverse("admin:errors_group_act", args=[batch.pk, (group or ErrorGroup.objects.get()).fingerprint, verb])


def now_shown(client: Client, batch: Batch) -> str:
    return words(page(client, group_url(batch)))
