"""Batches that scripts counted under earlier versions: what they counted is kept apart; what was counted up is over."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from batches import checkpoint_manager, operations, progress_tracker
from batches.models import Batch, Checkpoint

pytestmark = pytest.mark.django_db

migration = import_module("batches.migrations.0006_counts_by_hand")


def counted(batch_id: str, total: int, done: int) -> None:
    """As an earlier version left it: RUNNING, and nothing known of who counted."""
    progress_tracker.start_batch(batch_id, total)
    progress_tracker.increment_completed(batch_id, done)
    Batch.objects.filter(pk=batch_id).update(status="RUNNING", finished_at=None)
    Checkpoint.objects.filter(batch=batch_id).update(succeeded_by_hand=0, failed_by_hand=0)


def test_it_ends_what_was_counted_up_and_makes_the_promises_true() -> None:
    counted("over", 4, 4)
    counted("under-way", 4, 3)
    checkpoint_manager.save_checkpoint("saved", 1, ["a"], [])
    assert operations.verify("under-way") != []
    migration.split_counts(apps, None)
    migration.end_counted_batches(apps, None)
    assert dict(Batch.objects.values_list("pk", "status")) == {
        "over": "COMPLETED",
        "under-way": "RUNNING",
        "saved": "PENDING",
    }
    assert operations.get_batch("over").finished_at is not None
    for batch_id in ("over", "under-way", "saved"):
        assert [broken for broken in operations.verify(batch_id) if "counts" in broken] == []
    assert progress_tracker.increment_completed("under-way") == "COMPLETED"
