"""Changing how a batch runs, and what a worker's limits spare it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from batches import operations
from batches.engine import runner
from batches.exceptions import InvalidInput, InvalidTransition
from batches.lanes import leases
from batches.models import Batch, Checkpoint
from tests.helpers.batches import item, modes, statuses, submitted
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")


def test_it_goes_on_after_its_budget_was_raised() -> None:
    batch = submitted(modes(*["invalid"] * 40), max_errors=5, checkpoint_every=5)
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    assert operations.get_batch(batch.pk).status == "HALTED"
    operations.adjust(batch.pk, max_errors=None, actor="ana", reason="we know")
    operations.resume(batch.pk, actor="ana")
    runner.work_until_idle(batch.pk)
    assert operations.get_batch(batch.pk).status == "COMPLETED"
    assert statuses(batch) == ["FAILED"] * 40
    told = batch.transitions.get(verb="adjust")
    assert (told.actor, told.reason) == ("ana", "max_errors 5 → None. we know")
    assert operations.verify(batch.pk) == []


def test_it_takes_a_raised_budget_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = submitted(modes(*["invalid"] * 30), max_errors=5, checkpoint_every=5)
    operations.start(batch.pk)
    raised = iter([True])

    def raise_it() -> None:
        if next(raised, False):
            operations.adjust(batch.pk, max_errors=100)

    runner.work_slice(batch.pk, on_chunk=raise_it)
    assert operations.get_batch(batch.pk).status == "COMPLETED"


def test_it_opens_and_closes_lanes() -> None:
    batch = submitted(modes(*["ok"] * 10))
    operations.start(batch.pk)
    operations.adjust(batch.pk, concurrency=4)
    found = operations.get_batch(batch.pk)
    leases.ensure_lanes(found)
    assert free_lanes(found) == leases.lane_count(found)
    operations.adjust(batch.pk, concurrency=1)
    assert free_lanes(operations.get_batch(batch.pk)) == 1


def free_lanes(batch: Batch) -> int:
    """How many lanes the batch may use that no worker holds."""
    return Checkpoint.objects.filter(batch=batch, worker="", lane__lt=leases.lane_count(batch)).count()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 65}, "concurrency"),
        ({"rate": -1.0}, "rate"),
        ({"max_error_rate": 101.0}, "max_error_rate"),
        ({"item_timeout": 10_000.0}, "item_timeout"),
        ({"max_attempts": None}, "max_attempts"),
        ({"status": "COMPLETED"}, "status"),
    ],
)
def test_it_refuses_what_cannot_be(changes: dict[str, Any], field: str) -> None:
    batch = submitted(modes("ok"))
    with pytest.raises(InvalidInput) as refused:
        operations.adjust(batch.pk, **changes)
    assert field in refused.value.errors
    assert not batch.transitions.filter(verb="adjust").exists()


def test_it_refuses_a_batch_that_is_over() -> None:
    batch = submitted(modes("ok"))
    operations.cancel(batch.pk)
    with pytest.raises(InvalidTransition):
        operations.adjust(batch.pk, concurrency=2)


@pytest.mark.full
@pytest.mark.any_database
def test_it_spares_the_neighbours_of_an_item_that_floods_memory(
    in_process: Callable[..., subprocess.Popen[str]],
) -> None:
    batch = submitted(modes("ok", "flood", "ok"), max_attempts=1)
    operations.start(batch.pk)
    source = """
import sys
from batches import tasks
from batches.engine import runner
tasks.limit_memory()
runner.work_until_idle(sys.argv[1])
"""
    worker = in_process(source, batch.pk)
    _, errors = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, errors
    assert statuses(batch) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert item(batch, 1).code == "RESOURCE_EXHAUSTED"
    assert operations.verify(batch.pk) == []


@pytest.mark.any_database
@pytest.mark.full
def test_it_is_not_taken_for_hung_while_it_waits_for_its_turn(
    in_process: Callable[..., subprocess.Popen[str]],
) -> None:
    batch = submitted(modes("ok", "ok"), rate=0.25, item_timeout=2)
    operations.start(batch.pk)
    source = """
import sys
from django.urls import reverse
from batches.engine import runner, slices
reverse("admin:index")  # a milestone's link needs it, and its first use imports every page
slices.GRACE_SECONDS = 1
runner.work_slice(sys.argv[1], expendable=True)
"""
    worker = in_process(source, batch.pk)
    _, errors = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, errors
    assert statuses(batch) == ["SUCCEEDED"] * 2
