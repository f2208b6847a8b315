"""The five systems together: what a caller may use within the items of his own run."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group

from batches import checkpoint_manager, idempotency_manager, operations, progress_tracker, transaction_manager
from batches.exceptions import IdempotencyConflict
from batches.idempotency_manager import idempotent_operation
from batches.models import Item
from errors import error_analyzer
from errors.models import ErrorRecord

pytestmark = pytest.mark.usefixtures("engine")

BATCH = "batch_123"
ITEMS = [f"item_{n}" for n in range(15)]


def decorated(item: str, ran: list[str], operation: str = "process") -> dict[str, str]:
    @idempotent_operation(idempotency_manager, BATCH, item, operation)
    def process_item(data: str) -> dict[str, str]:
        ran.append(data)
        Group.objects.create(name=data)
        return {"done": data}

    return process_item(item)  # type: ignore[no-any-return]


def resumed(process: Any, items: list[str] = ITEMS) -> dict[str, Any]:
    return checkpoint_manager.resume_from_checkpoint(BATCH, items, process)


def test_it_runs_an_idempotent_operation_of_the_same_item_once() -> None:
    ran: list[str] = []
    assert resumed(lambda item: decorated(item, ran))["completed"] == 15
    assert ran == ITEMS
    assert decorated("item_3", ran) == {"done": "item_3"}
    assert idempotency_manager.check_duplicate(idempotency_manager.generate_key(BATCH, "item_3", "process")) == {
        "done": "item_3"
    }
    assert operations.verify(BATCH) == []


def test_it_answers_what_is_remembered_when_the_caller_begins_anew() -> None:
    ran: list[str] = []
    answers: list[Any] = []
    resumed(lambda item: decorated(item, ran))
    checkpoint_manager.save_checkpoint(BATCH, 0, [], [])
    resumed(lambda item: answers.append(decorated(item, ran)))
    assert ran == ITEMS
    assert answers == [{"done": item} for item in ITEMS]
    assert Group.objects.filter(name__startswith="item_").count() == 15


def test_it_remembers_no_operation_of_an_item_that_failed_afterwards() -> None:
    ran: list[str] = []
    broken = {"item_2"}

    def process(item: str) -> None:
        decorated(item, ran)
        if item in broken:
            raise ValueError(item)

    assert resumed(process)["failed"] == 1
    assert not Group.objects.filter(name="item_2").exists()
    broken.clear()
    assert resumed(process)["completed"] == 1
    assert ran.count("item_2") == 2
    assert Group.objects.filter(name__startswith="item_").count() == 15


def test_it_refuses_another_request_under_the_key_of_an_item() -> None:
    ran: list[str] = []
    resumed(lambda item: decorated(item, ran))

    @idempotent_operation(idempotency_manager, BATCH, "item_1", "process")
    def process_item(data: str) -> None: ...

    with pytest.raises(IdempotencyConflict):
        process_item("something else")


def test_it_opens_transactions_within_an_item() -> None:
    def process(item: str) -> None:
        with transaction_manager.transaction(BATCH) as tx:
            Group.objects.create(name=item)
            with pytest.raises(ZeroDivisionError), tx.savepoint():
                Group.objects.create(name=f"{item}/undone")
                raise ZeroDivisionError
        transaction_manager.execute_transactional(BATCH, [lambda: Group.objects.create(name=f"{item}/2") and None])

    assert resumed(process)["completed"] == 15
    assert Group.objects.filter(name__startswith="item_").count() == 30
    assert not Group.objects.filter(name__endswith="undone").exists()


def test_it_counts_an_item_once_that_counts_itself() -> None:
    progress_tracker.start_batch(BATCH, total_items=15)
    assert resumed(lambda item: progress_tracker.increment_completed(BATCH))["completed"] == 15
    progress = progress_tracker.get_progress(BATCH)
    assert (progress.total_items, progress.completed, progress.status) == (15, 15, "COMPLETED")
    assert operations.verify(BATCH) == []


def test_it_records_errors_that_an_item_handles_and_its_own_failure_once() -> None:
    def process(item: str) -> None:
        index = ITEMS.index(item)
        if index in (3, 4):
            error = TimeoutError("slow")
            error_analyzer.record_error(BATCH, item, index, error, error_code="TIMEOUT")
            if index == 4:
                raise error

    result = resumed(process)
    assert (result["completed"], result["failed"]) == (14, 1)
    assert sorted(ErrorRecord.objects.filter(batch=BATCH).values_list("item_key", flat=True)) == ["item_3", "item_4"]
    assert operations.verify(BATCH) == []


@pytest.mark.parametrize(
    "again",
    [
        lambda: checkpoint_manager.save_checkpoint(BATCH, 1, ["item_0"], []),
        lambda: checkpoint_manager.resume_from_checkpoint(BATCH, ["other"], lambda item: None),
    ],
    ids=["save", "resume"],
)
def test_it_says_that_the_checkpoint_is_saved_by_itself(again: Any) -> None:
    assert resumed(lambda item: again() if item == "item_1" else None)["failed"] == 1
    failed = Item.objects.get(batch=BATCH, failed_at__isnull=False)
    assert (failed.key, "saved by itself" in failed.message) == ("item_1", True)
    assert checkpoint_manager.load_checkpoint("other") is None
