"""What callers pass is taken or refused before a driver sees it, on every database alike, with name and remedy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from batches import checkpoint_manager, idempotency_manager, progress_tracker, transaction_manager
from batches.exceptions import InvalidInput, UnknownBatch
from batches.idempotency_manager import idempotent_operation
from batches.models import Batch, IdempotencyRecord, Item
from errors import error_analyzer
from errors.models import ErrorRecord

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]

KEY = "0" * 64
NUL, HALF = "a\x00b", "a\ud800b"
ERROR = ValueError("x")


def saved(index: Any = 0, completed: Any = (), failed: Any = (), metadata: Any = None) -> Callable[[], Any]:
    return lambda: checkpoint_manager.save_checkpoint("b", index, completed, failed, metadata)


def recorded(item: Any = "item_1", index: Any = 0, error: Any = ERROR, **more: Any) -> Callable[[], Any]:
    return lambda: error_analyzer.record_error("b", item, index, error, **more)


def resumed(items: Any, process: Any = print) -> Callable[[], Any]:
    return lambda: checkpoint_manager.resume_from_checkpoint("b", items, process)


def remembered(result: Any) -> Callable[[], Any]:
    return lambda: idempotency_manager.store_result(KEY, None, result)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (remembered(NUL), "The result holds a NUL character or half a surrogate pair, which no database stores"),
    (remembered({"deep": [{HALF: 1}]}), "The result holds a NUL"),
    (remembered(float("nan")), "The result is not JSON"),
    (remembered(datetime.now(UTC)), r"times as text, by isoformat\(\)"),
    (saved(metadata={"n": float("nan")}), "The batch_metadata is not JSON"),
    (saved(metadata={"at": datetime.now(UTC)}), "The batch_metadata is not JSON"),
    (saved(metadata={"text": NUL}), "The batch_metadata holds a NUL"),
    (saved(metadata=["a"]), "batch_metadata is .* it must be a dict"),
    (saved(10**12), "current_index is 1000000000000; it must be a whole number from 0 to 2,147,483,647"),
    (saved(-1), "current_index is -1"),
    (saved(True), "current_index is True"),
    (saved("4"), "current_index is '4'"),
    (saved(completed="abc"), "completed_items is 'abc'; it must be a list"),
    (saved(completed={"a": 1}), "completed_items is .* it must be a list"),
    (saved(completed=None), "completed_items is None; it must be a list"),
    (saved(failed="abc"), "failed_items is 'abc'; it must be a list"),
    (saved(failed=[{}]), "An item id has 1 to 200 characters"),
    (saved(completed=[None]), "this one is None"),
    (saved(completed=[HALF]), r"no half surrogate pair; this one is 'a\\ud800b'"),
    (saved(completed=[NUL]), "no NUL"),
    (saved(completed=[""]), "An item id has 1 to 200 characters"),
    (lambda: progress_tracker.start_batch("b", 2**31), "total_items is 2147483648; it must be a whole number from 0"),
    (lambda: progress_tracker.start_batch("b", -1), "total_items is -1"),
    (lambda: progress_tracker.start_batch("b", 10.0), "total_items is 10.0"),  # type: ignore[arg-type]
    (lambda: progress_tracker.increment_completed("b", 10**10), "count is 10000000000"),
    (lambda: progress_tracker.increment_completed("b", True), "count is True; it must be a whole number from 1"),
    (lambda: progress_tracker.increment_failed("b", 0), "count is 0"),
    (recorded(error="text"), "error is 'text'; it must be an exception: pass what was caught"),
    (recorded(error=ValueError), "error is <class 'ValueError'>"),
    (recorded(index=-1), "item_index is -1"),
    (recorded(index="4"), "item_index is '4'"),
    (recorded(index=2**31), "item_index is 2147483648"),
    (recorded(item=HALF), "half surrogate pair"),
    (recorded(attempt=0), "attempt is 0"),
    (lambda: error_analyzer.aggregate_errors("b", total_items="100"), "total_items is '100'"),  # type: ignore[arg-type]
    (lambda: error_analyzer.aggregate_errors("b", total_items=-5), "total_items is -5"),
    (resumed("abc"), "all_items is 'abc'; it must be a list"),
    (resumed(None), "all_items is None; it must be a list"),
    (resumed(["a"], None), "process_fn is None; it must be a function of 1 argument"),
    (resumed(["a"], lambda: None), "process_fn cannot be called: too many positional arguments"),
    (resumed(["a"], lambda item, more: None), "process_fn cannot be called: missing a required argument: 'more'"),
    (lambda: transaction_manager.execute_transactional("b", [print, lambda item: None]), r"operations\[1\] cannot"),
    (lambda: transaction_manager.execute_transactional("b", "ab"), "operations is 'ab'; it must be a list"),  # type: ignore[arg-type]
    (lambda: idempotency_manager.generate_key("b", "i", "a:b"), "operation is 'a:b'; it must be text, without NUL or"),
    (lambda: idempotency_manager.generate_key("b", HALF, "process"), "half surrogate pair"),
    (lambda: idempotency_manager.generate_key("b", "i", HALF), "operation is"),
    (lambda: idempotent_operation(idempotency_manager, "b", "i", "once")(lambda: HALF)(), "The result holds a NUL"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED, ids=[words[:40] for _, words in REFUSED])
def test_it_is_refused_by_name_before_anything_is_written(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        call()
    assert len(str(refused.value)) < 400
    for model in (Batch, Item, IdempotencyRecord, ErrorRecord):
        assert not model._default_manager.exists()


def test_counts_that_no_column_holds_are_refused_at_the_sum() -> None:
    progress_tracker.start_batch("b", 10)
    progress_tracker.increment_completed("b", 2**31 - 2)
    with pytest.raises(InvalidInput, match="count is 2; it must be at most 1"):
        progress_tracker.increment_completed("b", 2)
    assert progress_tracker.get_progress("b").completed == 2**31 - 2


def test_what_can_be_stored_is_taken() -> None:
    metadata = {"z": 1, "a": ["ü", "💥", None, {"deep": 1.5}]}
    failed = [{"item": 7, "error": None}, {"item": "c", "error": NUL}]
    checkpoint = checkpoint_manager.save_checkpoint("b", 2, ("a", 5), failed, metadata)
    assert checkpoint.completed_items == ["a", "5"]
    assert [(row["item"], row["error"]) for row in checkpoint.failed_items] == [("7", ""), ("c", "a\ufffdb")]
    assert checkpoint.batch_metadata == metadata
    for text in ("half a pair as text: \\ud800", "💥"):
        idempotency_manager.store_result(idempotency_manager.generate_key("b", "i", text[:3]), None, text)
    error_analyzer.record_error("b", "i", 0, ValueError(NUL + HALF), error_code=None)
    assert "None" not in error_analyzer.aggregate_errors("b").errors_by_code


def test_items_of_any_content_are_run() -> None:
    items = [{"id": "a", "text": HALF}, {"id": "b", "text": NUL}, {"id": "c", "n": float("nan")}]
    seen: list[Any] = []
    assert checkpoint_manager.resume_from_checkpoint("b", items, seen.append)["completed"] == 3
    assert seen == items


@pytest.mark.parametrize("batch_id", [NUL, HALF, None, 5])
def test_an_impossible_batch_is_unknown(batch_id: Any) -> None:
    with pytest.raises(UnknownBatch):
        progress_tracker.get_progress(batch_id)
