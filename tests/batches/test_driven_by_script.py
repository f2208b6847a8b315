"""`resume_from_checkpoint` while people look on: it stops between items, says so, and counts each item once."""

from __future__ import annotations

from typing import Any

import pytest

from batches import checkpoint_manager, operations, progress_tracker
from batches.exceptions import BatchCancelled
from tests.helpers.people import client

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]

ITEMS = [f"item_{n}" for n in range(40)]


def resumed(process: Any, items: list[str] = ITEMS) -> dict[str, Any]:
    return checkpoint_manager.resume_from_checkpoint("b", items, process)


def acting(verb: str, at: str = "item_5") -> Any:
    """A process_fn in the midst of which a person acts."""

    def process(item: str) -> None:
        if item == at:
            assert client("operator").post(f"/api/batches/b/{verb}").status_code == 202

    return process


def test_a_pause_stops_it_between_items_until_the_batch_is_resumed() -> None:
    result = resumed(acting("pause"))
    done = result["completed"]
    assert 6 <= done <= 10  # what was in its hands, no more
    assert (result["status"], result["remaining"]) == ("PAUSED", 40 - done)
    seen: list[str] = []
    result = resumed(seen.append)
    assert (result["status"], result["completed"], result["skipped"]) == ("PAUSED", 0, done)
    assert seen == []
    operations.resume("b", actor="ana")
    result = resumed(seen.append)
    assert (result["status"], result["completed"], result["remaining"]) == ("COMPLETED", 40 - done, 0)
    assert seen == ITEMS[done:]
    assert operations.verify("b") == []


def test_a_cancelled_batch_says_so() -> None:
    with pytest.raises(BatchCancelled, match=r"3\d items were not processed") as stopped:
        resumed(acting("cancel"))
    assert stopped.value.result is not None
    done = stopped.value.result["completed"]
    assert 6 <= done <= 10
    assert stopped.value.remaining == 40 - done
    with pytest.raises(BatchCancelled) as refused:
        resumed(lambda item: pytest.fail("it ran"))
    assert refused.value.result is not None
    assert (refused.value.result["completed"], refused.value.result["skipped"]) == (0, done)
    assert operations.verify("b") == []
    progress_tracker.start_batch("b", 40)
    assert resumed(lambda item: None)["status"] == "COMPLETED"
    assert operations.verify("b") == []


def test_increments_within_it_count_nothing_twice() -> None:
    progress_tracker.start_batch("b", 3)

    def process(item: str) -> None:
        assert progress_tracker.increment_completed("b") == "RUNNING"

    result = resumed(process, ITEMS[:3])
    assert (result["status"], result["completed"]) == ("COMPLETED", 3)
    progress = progress_tracker.get_progress("b")
    assert (progress.completed, progress.total_items, progress.progress_percent) == (3, 3, 100.0)
    assert operations.verify("b") == []


def test_it_counts_items_that_were_counted_by_hand_before() -> None:
    progress_tracker.start_batch("b", 40)
    progress_tracker.increment_completed("b", 15)
    resumed(lambda item: None)
    progress = progress_tracker.get_progress("b")
    assert (progress.status, progress.completed, progress.total_items) == ("COMPLETED", 40, 40)
    assert operations.verify("b") == []


def test_a_batch_begun_anew_within_it_goes_on() -> None:
    def process(item: str) -> None:
        progress_tracker.start_batch("b", 100)

    assert resumed(process)["status"] == "COMPLETED"
    assert progress_tracker.get_progress("b").total_items == 40
    assert operations.verify("b") == []
