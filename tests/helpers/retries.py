"""Batches whose items failed, what is put right of them, and what became of a retry."""

from __future__ import annotations

from typing import Any

from batches import operations
from batches.engine import runner
from batches.models import Batch, Item, Retry
from tests.helpers.batches import modes, ran


def broken(count: int, mode: str = "network", **options: Any) -> Batch:
    """A batch of which the first item came right, and the others did not."""
    return ran(modes("ok", *[mode] * count), max_attempts=1, **options)


def now_do(batch: Batch, mode: str, first: int = 0, last: int = 10**6) -> None:
    """What was wrong with these items is so no more, or wrong in another way."""
    for row in Item.objects.filter(batch=batch, position__gte=first, position__lte=last):
        row.payload["mode"] = mode
        row.save(update_fields=["payload"])


def again(batch: Batch, **asked: Any) -> Retry:
    """A bulk retry, worked on until the batch came to rest."""
    made = operations.retry(batch.pk, **({"all_failed": True} | asked))
    runner.work_until_idle(batch.pk)
    made.refresh_from_db()
    assert operations.verify(batch.pk) == []
    return made


def outcome(made: Retry) -> dict[str, int]:
    return {name: count for name, count in made.outcome().items() if count}
