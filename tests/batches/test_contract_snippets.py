"""The Python API as its contract writes it; every snippet runs as it stands."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.contrib.auth.models import Group

from batches import checkpoint_manager, durations, idempotency_manager, progress_tracker, transaction_manager
from batches.exceptions import IdempotencyConflict, InvalidInput, UnknownBatch
from batches.idempotency_manager import idempotent_operation
from batches.transaction_manager import OperationFailed
from errors import error_analyzer

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def add(name: str) -> str:
    Group.objects.create(name=name)
    return name


def names() -> set[str]:
    return set(Group.objects.exclude(name__in=("viewer", "operator")).values_list("name", flat=True))


def test_it_makes_a_transaction_all_or_nothing() -> None:
    with pytest.raises(ValueError, match="late"), transaction_manager.transaction("batch_123") as tx:
        add("one")
        with tx.savepoint():
            add("two")
        raise ValueError("late")
    assert names() == set()


def test_it_rolls_a_savepoint_back_alone() -> None:
    with transaction_manager.transaction("batch_123") as tx:
        add("one")
        with pytest.raises(ValueError, match="inner"), tx.savepoint():
            add("two")
            raise ValueError("inner")
    assert names() == {"one"}


def test_it_rolls_back_to_the_last_savepoint_or_everything_on_request() -> None:
    with transaction_manager.transaction("batch_123") as tx:
        add("one")
        tx.mark()
        add("two")
        tx.rollback_to_last_savepoint()
        add("three")
    assert names() == {"one", "three"}
    with transaction_manager.transaction("batch_123") as tx:
        add("four")
        tx.rollback()
    assert names() == {"one", "three"}


def test_it_executes_operations_all_or_nothing_in_order() -> None:
    operations = [lambda: add("a"), lambda: add("b"), lambda: add("c")]
    results = transaction_manager.execute_transactional(
        batch_id="batch_123", operations=operations, use_savepoints=True
    )
    assert results == ["a", "b", "c"]
    with pytest.raises(ZeroDivisionError):
        transaction_manager.execute_transactional(batch_id="batch_123", operations=[lambda: add("d"), lambda: 1 / 0])
    assert names() == {"a", "b", "c"}


def test_it_skips_a_failed_operation_if_asked() -> None:
    operations = [lambda: add("a"), lambda: (add("b"), 1 / 0), lambda: add("c")]
    results = transaction_manager.execute_transactional(batch_id="b", operations=operations, on_error="skip")
    assert results[0] == "a"
    assert isinstance(results[1], OperationFailed)
    assert (results[1].index, type(results[1].error)) == (1, ZeroDivisionError)
    assert names() == {"a", "c"}


def test_it_saves_and_loads_a_checkpoint() -> None:
    assert checkpoint_manager.load_checkpoint("batch_123") is None
    checkpoint_manager.save_checkpoint(
        batch_id="batch_123",
        current_index=45,
        completed_items=["item_1"],
        failed_items=[{"item": "item_2", "error": "no"}],
    )
    checkpoint = checkpoint_manager.load_checkpoint("batch_123")
    assert checkpoint is not None
    shape = checkpoint.to_dict()
    wanted = "batch_id checkpoint_id current_item_index completed_items failed_items batch_metadata timestamp"
    assert set(wanted.split()) <= set(shape)
    assert (shape["current_item_index"], shape["completed_items"]) == (45, ["item_1"])
    assert (shape["failed_items"][0]["item"], shape["failed_items"][0]["error"]) == ("item_2", "no")


def test_it_resumes_skipping_what_is_done_even_after_the_index() -> None:
    items = [f"item_{n}" for n in range(25)]
    checkpoint_manager.save_checkpoint(
        "batch_123", current_index=4, completed_items=["item_1", "item_20"], failed_items=[]
    )
    seen: list[str] = []
    result = checkpoint_manager.resume_from_checkpoint(batch_id="batch_123", all_items=items, process_fn=seen.append)
    assert result == {
        "batch_id": "batch_123",
        "total_items": 25,
        "completed": 23,
        "failed": 0,
        "skipped": 2,
        "resumed_from_index": 4,
        "remaining": 0,
        "status": "COMPLETED",
    }
    assert sorted(seen) == sorted(set(items) - {"item_1", "item_20"})


def test_it_tries_failed_items_again_on_the_next_call_and_undoes_what_they_wrote() -> None:
    broken = {"item_7"}

    def process(item: str) -> None:
        add(item)
        if item in broken:
            raise ValueError(item)

    items = [f"item_{n}" for n in range(25)]
    first = checkpoint_manager.resume_from_checkpoint("batch_123", items, process)
    assert (first["completed"], first["failed"]) == (24, 1)
    assert "item_7" not in names()
    broken.clear()
    second = checkpoint_manager.resume_from_checkpoint("batch_123", items, process)
    assert (second["completed"], second["failed"], second["skipped"]) == (1, 0, 24)
    assert names() == set(items)


def test_it_saves_a_checkpoint_again_after_one_of_a_single_item() -> None:
    checkpoint_manager.save_checkpoint("b", 0, ["item_1"], [])
    checkpoint_manager.save_checkpoint("b", 1, ["item_1", "item_2"], [{"item": "item_3", "error": "bad"}])
    saved = checkpoint_manager.load_checkpoint("b")
    assert saved is not None
    assert (saved.completed_items, saved.failed_items[0]["index"]) == (["item_1", "item_2"], 2)


def test_it_refuses_ids_that_occur_twice() -> None:
    with pytest.raises(InvalidInput, match="twice"):
        checkpoint_manager.resume_from_checkpoint("b", ["a", "a"], print)


def test_it_generates_the_key_of_the_contract_and_remembers_a_response() -> None:
    key = idempotency_manager.generate_key("batch_123", "item_1", "process")
    assert key == hashlib.sha256(b"batch_123:item_1:process").hexdigest()
    assert idempotency_manager.check_duplicate(key) is None
    idempotency_manager.store_result(key, {"a": 1}, {"done": True})
    assert idempotency_manager.check_duplicate(key) == {"done": True}
    assert idempotency_manager.get_record(key) is not None
    assert idempotency_manager.cleanup_expired() == 0
    with pytest.raises(IdempotencyConflict):
        idempotency_manager.store_result(key, {"a": 2}, {"done": False})


def test_it_forgets_a_response_after_24_hours() -> None:
    from datetime import timedelta

    from django.db.models import F

    from batches.models import IdempotencyRecord

    key = idempotency_manager.generate_key("batch_123", "item_1", "process")
    idempotency_manager.store_result(key, None, 1)
    IdempotencyRecord.objects.update(expires_at=F("expires_at") - timedelta(hours=24, seconds=1))
    assert idempotency_manager.check_duplicate(key) is None
    assert idempotency_manager.cleanup_expired() == 1
    assert idempotency_manager.get_record(key) is None


@pytest.mark.parametrize("operation", ["a:b", "", None])
def test_it_refuses_operations_that_could_collide(operation: Any) -> None:
    with pytest.raises(InvalidInput):
        idempotency_manager.generate_key("batch_123", "item_1", operation)


def test_it_runs_an_idempotent_operation_once_and_does_not_remember_an_exception() -> None:
    calls: list[int] = []

    @idempotent_operation(idempotency_manager, "batch_123", "item_1", "process")
    def process_item(data: int) -> dict[str, int]:
        calls.append(data)
        if len(calls) == 1:
            raise RuntimeError("first")
        return {"data": data}

    with pytest.raises(RuntimeError):
        process_item(1)
    assert process_item(1) == {"data": 1}
    assert process_item(1) == {"data": 1}
    assert calls == [1, 1]
    with pytest.raises(IdempotencyConflict):
        process_item(2)


def test_it_tracks_progress_by_hand() -> None:
    with pytest.raises(UnknownBatch):
        progress_tracker.get_progress("batch_123")
    progress_tracker.start_batch("batch_123", total_items=100)
    for _ in range(30):
        progress_tracker.increment_completed("batch_123")
    progress_tracker.increment_failed("batch_123")
    report = progress_tracker.get_progress("batch_123")
    assert report.progress_percent == 30.0
    assert report.to_dict()["remaining"] == 69
    assert [row["milestone"] for row in report.milestones] == [25]
    assert report.eta_human is not None


def test_it_floors_percentages() -> None:
    progress_tracker.start_batch("b", total_items=1000)
    progress_tracker.increment_completed("b", 999)
    assert progress_tracker.get_progress("b").progress_percent == 99.9


@pytest.mark.parametrize(("seconds", "words"), [(0, "0s"), (45, "45s"), (120, "2m"), (3900, "1h 5m")])
def test_it_says_a_duration_as_people_do(seconds: float, words: str) -> None:
    assert durations.rough(seconds) == words


def test_it_aggregates_errors_and_finds_patterns() -> None:
    for index in range(40, 45):
        error_analyzer.record_error(
            batch_id="batch_123",
            item_id=f"item_{index}",
            item_index=index,
            error=TimeoutError("slow"),
            error_code="TIMEOUT",
        )
    error_analyzer.record_error("batch_123", "item_1", 1, ValueError("bad value"))
    report = error_analyzer.aggregate_errors("batch_123", total_items=100)
    shape = report.to_dict()
    assert shape["total_errors"] == 6
    assert shape["errors_by_code"]["TIMEOUT"] == 5
    assert shape["errors_by_type"]["TimeoutError"] == 5
    assert report.error_rate == 6.0
    assert all(isinstance(line, str) for line in report.recommendations)
    patterns = error_analyzer.identify_patterns("batch_123")
    assert {"time_clustering", "index_patterns", "recurring_types"} <= set(patterns)


@pytest.mark.parametrize("batch_id", ["", "-x", "a/b", "a:b", "x" * 65, "a\n", None])
def test_it_refuses_batch_ids_outside_the_contract(batch_id: Any) -> None:
    with pytest.raises(InvalidInput):
        progress_tracker.start_batch(batch_id, 1)
