"""Failures for tests, as plain functions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from batches.extensions import record_failures
from batches.failures import Failure
from batches.models import Batch, Item


def raised(error: BaseException) -> BaseException:
    """The exception, with a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


def batch_of(size: int = 0, batch_id: str = "b1", payload: dict[str, Any] | None = None, **more: Any) -> Batch:
    """A batch with items that nothing has happened to."""
    batch = Batch.objects.create(pk=batch_id, processor="test.do", total_items=size, **more)
    Item.objects.bulk_create(
        Item(batch=batch, position=n, key=f"k{n}", payload=payload or {"n": n}) for n in range(size)
    )
    return batch


def failure(batch: Batch, position: int, error: BaseException, attempt: int = 1, **more: Any) -> Failure:
    item = Item.objects.get(batch=batch, position=position)
    now: datetime = more.pop("at", None) or timezone.now()
    known: dict[str, Any] = {
        "item_id": item.pk,
        "item_key": item.key,
        "position": position,
        "payload": item.payload,
        "attempt": attempt,
        "exception": error,
        "code": "",
        "final": True,
        "started_at": now - timedelta(seconds=0.1),
        "finished_at": now,
        "worker": "host:1",
    }
    return Failure(**known | more)


def report(batch: Batch, failures: Iterable[Failure]) -> None:
    """As the runner reports a chunk's failures."""
    with transaction.atomic():
        record_failures(batch, list(failures))


def fail(batch: Batch, position: int, error: BaseException, attempt: int = 1, **more: Any) -> None:
    report(batch, [failure(batch, position, error, attempt, **more)])


def all_failed(n: int = 6, error: type[Exception] = ConnectionError, **more: Any) -> Batch:
    """A batch at rest in which all items failed in one way."""
    batch = batch_of(n, status=Batch.Status.COMPLETED, **more)
    fail_all(batch, error)
    return batch


def failed_before(error: type[Exception] = ConnectionError) -> None:
    """Three finished batches of the same processor in which an item failed so."""
    for n in range(3):
        all_failed(1, error, batch_id=f"before-{n}")


def fail_all(batch: Batch, error: type[Exception], attempt: int = 1) -> None:
    report(batch, [failure(batch, i, error("no answer"), attempt) for i in range(batch.total_items)])
    failed = Item.objects.filter(batch=batch)
    failed.update(status=Item.Status.FAILED, attempts=attempt, failed_at="2026-01-01T00:00:00Z", lane=0)
    batch.lanes.update_or_create(lane=0, defaults={"failed": batch.total_items})
