"""Batches for the REST tests: every row needs a `b`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batches import operations
from batches.engine import runner
from batches.models import Batch

SCHEMA = {"schema": json.dumps({"required": ["b"]})}
committed = pytest.mark.django_db(transaction=True)
"""For tests that run a batch: the runner believes a chunk only once its transaction has really been committed."""
GOOD, BAD = {"b": 1}, {"a": 1}


def asked(**changes: Any) -> dict[str, Any]:
    """The body of a submission that is accepted."""
    return {"processor": "check_rows", "params": SCHEMA, "items": [GOOD, BAD]} | changes


def submitted(batch_id: str = "b1", items: tuple[Any, ...] = (GOOD, BAD), **options: Any) -> Batch:
    arguments = {"processor": "check_rows", "params": SCHEMA, "items": list(items), "batch_id": batch_id} | options
    return operations.submit(**arguments).batch


def finished(batch_id: str = "b1", items: tuple[Any, ...] = (GOOD, BAD), **options: Any) -> Batch:
    """Run to its end: by default one item succeeded, the other failed."""
    submitted(batch_id, items, **options)
    operations.start(batch_id)
    runner.work_until_idle(batch_id)
    return operations.get_batch(batch_id)
