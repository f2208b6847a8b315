"""Batches for tests, as plain functions."""

from __future__ import annotations

from typing import Any

from batches import operations
from batches.engine import runner
from batches.models import Batch, Item, Transition

NUMBER = iter(range(10**9))


def modes(*wanted: str, **more: Any) -> list[dict[str, Any]]:
    return [{"mode": mode, "n": n, **more} for n, mode in enumerate(wanted)]


def submitted(items: list[dict[str, Any]], **options: Any) -> Batch:
    name = options.pop("batch_id", "") or f"batch-{next(NUMBER)}"
    return operations.submit(processor="test.do", items=items, batch_id=name, actor="ana", **options).batch


def ran(items: list[dict[str, Any]], **options: Any) -> Batch:
    """Submitted, started, and worked on in this process until it came to rest."""
    batch = submitted(items, **options)
    operations.start(batch.pk, actor="ana")
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    return batch


def worked_on(items: list[dict[str, Any]], **options: Any) -> Batch:
    """Submitted, started, and left by its worker after the first chunk, which had all of them."""
    batch, chunks = submitted(items, checkpoint_every=50, **options), list[int]()
    operations.start(batch.pk, actor="ana")
    runner.work_slice(batch.pk, on_chunk=lambda: chunks.append(1), should_stop=lambda: bool(chunks))
    batch.refresh_from_db()
    return batch


def item(batch: Batch, position: int) -> Item:
    return Item.objects.get(batch=batch, position=position)


def statuses(batch: Batch) -> list[str]:
    return list(Item.objects.filter(batch=batch).order_by("position").values_list("status", flat=True))


def rows_written() -> tuple[Any, ...]:
    """Every batch with its status, and how many items and entries of history there are."""
    statuses = tuple(Batch.objects.values_list("pk", "status"))
    return (*statuses, Item.objects.count(), Transition.objects.count())
