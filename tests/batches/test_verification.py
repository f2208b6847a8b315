"""`verify` says which promise is broken: each is broken here on purpose, in the tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from batches import operations
from batches.models import Batch, Checkpoint, IdempotencyRecord, Item, Milestone, Transition
from errors.models import BatchGroup, ErrorRecord
from tests.helpers.batches import modes, ran

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("sqlite")]


def first(status: str) -> Any:
    pk = Item.objects.filter(status=status).order_by("position").values_list("pk", flat=True)[0]
    return Item.objects.filter(pk=pk)


def items_gone(batch: Batch) -> None:
    ErrorRecord.objects.all().delete()
    BatchGroup.objects.all().delete()
    first("SKIPPED").delete()


BROKEN: dict[str, tuple[Callable[[Batch], Any], str]] = {
    "an item is gone": (items_gone, "there are 5"),
    "a lane counts one too many": (lambda b: Checkpoint.objects.update(succeeded=F("succeeded") + 1), "Lane 0 counts"),
    "an item changed its status": (lambda b: first("SUCCEEDED").update(status="SKIPPED"), "Lane 0 counts"),
    "an item runs on a lane nobody holds": (
        lambda b: first("SUCCEEDED").update(status="RUNNING", lane=0),
        "running on lane 0, which nobody holds",
    ),
    "a completed batch has a pending item": (
        lambda b: first("SKIPPED").update(status="PENDING", lane=None),
        "yet 1 item is pending",
    ),
    "a success is not remembered": (
        lambda b: IdempotencyRecord.objects.filter(state="DONE").first().delete(),  # type: ignore[union-attr]
        "has no idempotency row",
    ),
    "a success is remembered otherwise": (
        lambda b: first("SUCCEEDED").update(result={"n": "other"}),
        "another response",
    ),
    "a failure is remembered as done": (lambda b: first("SUCCEEDED").update(status="FAILED"), "says they were done"),
    "a failure has no error record": (lambda b: ErrorRecord.objects.all().delete(), "error record"),
    "an error record is of an attempt that was not": (
        lambda b: ErrorRecord.objects.update(attempt=99),
        "attempt",
    ),
    "a group counts wrong": (lambda b: BatchGroup.objects.update(errors=F("errors") + 1), "group"),
    "a failed item is in no list": (
        lambda b: first("FAILED").update(failed_at=None),
        "Of 2 items failed, lists and exports take 1",
    ),
    "a list shows an item that did not fail": (
        lambda b: first("SUCCEEDED").update(failed_at=timezone.now()),
        "Of 3 items succeeded, lists and exports take 1",
    ),
    "an item that is done is taken for out": (
        lambda b: first("SUCCEEDED").update(claimed_at=timezone.now()),
        "are taken for calls that are out",
    ),
    "an item that is done waits": (
        lambda b: first("SKIPPED").update(available_at=timezone.now()),
        "wait to be tried again",
    ),
    "an arrow is not in the table": (
        lambda b: Transition.objects.filter(to_status="RUNNING").update(from_status="PAUSED"),
        "no legal transition",
    ),
    "history has a gap": (lambda b: Transition.objects.filter(to_status="QUEUED").delete(), "History breaks"),
    "history ends elsewhere": (
        lambda b: Transition.objects.filter(to_status="COMPLETED").delete(),
        "its history ends with RUNNING",
    ),
    "milestones are out of order": (
        lambda b: Milestone.objects.filter(milestone=100).update(id=-1),
        "Milestones are out of order",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_it_sees_a_promise_that_is_broken(what: str) -> None:
    batch = ran(modes("ok", "ok", "invalid", "skip", "ok", "error"), max_attempts=1)
    assert operations.verify(batch.pk) == []
    act, words = BROKEN[what]
    act(batch)
    assert any(words in fault for fault in operations.verify(batch.pk)), operations.verify(batch.pk)
