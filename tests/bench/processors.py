"""What the benchmarks run."""

from __future__ import annotations

from time import sleep
from typing import Any

from django.contrib.auth.models import Group

from batches.processors import Context, ItemError, processor
from tests.bench.floors import trivial

processor("bench.noop")(trivial)


@processor("bench.write")
def write(payload: dict[str, Any], context: Context) -> dict[str, str]:
    """One ORM write an item."""
    Group.objects.create(name=f"{context.batch_id}/{context.item_key}")
    return trivial(payload, context)


@processor("bench.write_many", many=True)
def write_many(payloads: list[dict[str, Any]], contexts: list[Context]) -> list[dict[str, str]]:
    """The same rows, and the same results, in one statement a chunk."""
    Group.objects.bulk_create(Group(name=f"{context.batch_id}/{context.item_key}") for context in contexts)
    return [trivial(*item) for item in zip(payloads, contexts, strict=True)]


@processor("bench.pause")
def pause(payload: dict[str, Any], context: Context) -> None:
    """An item that takes 10 ms, and nothing of the machine."""
    sleep(0.01)


@processor("bench.fail")
def fail(payload: dict[str, Any], context: Context) -> None:
    """Every item fails by an exception that it did not mean."""
    trivial(payload, context)
    raise ValueError(f"row {payload['n']} is no good")


@processor("bench.refuse")
def refuse(payload: dict[str, Any], context: Context) -> None:
    """Every item fails on purpose."""
    trivial(payload, context)
    raise ItemError(f"row {payload['n']} is no good", code="NO_GOOD")
