"""A person's pause or cancel is heeded after the item in hand, at little cost."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import checkpoint_manager, operations
from batches.engine import runner
from batches.exceptions import BatchCancelled

pytestmark = pytest.mark.usefixtures("engine")

ITEMS = [f"item_{n}" for n in range(8)]
LOOKS = 'SELECT "batches_batch"."status"'


@pytest.fixture
def slow_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every item takes longer than the engine waits between two looks."""
    monkeypatch.setattr(runner, "LOOK_UP_SECONDS", 0.0)


def elsewhere(act: Callable[..., Any]) -> None:
    """Act as a person does: in another session, whose commit is over before this returns."""

    def run() -> None:
        try:
            act("b", actor="ana")
        finally:
            connection.close()

    thread = Thread(target=run)
    thread.start()
    thread.join()


def acting_at(place: int, act: Callable[..., Any], seen: list[str]) -> Callable[[str], None]:
    def process(item: str) -> None:
        seen.append(item)
        if len(seen) == place:
            elsewhere(act)

    return process


def test_a_pause_is_heeded_after_the_item_in_hand(slow_items: None) -> None:
    seen: list[str] = []
    result = checkpoint_manager.resume_from_checkpoint("b", ITEMS, acting_at(3, operations.pause, seen))
    assert seen == ITEMS[:3]
    assert (result["status"], result["completed"], result["remaining"]) == ("PAUSED", 3, 5)
    assert operations.verify("b") == []


def test_a_cancel_is_heeded_after_the_item_in_hand(slow_items: None) -> None:
    seen: list[str] = []
    with pytest.raises(BatchCancelled) as cancelled:
        checkpoint_manager.resume_from_checkpoint("b", ITEMS, acting_at(3, operations.cancel, seen))
    assert seen == ITEMS[:3]
    assert cancelled.value.result is not None
    assert (cancelled.value.result["completed"], cancelled.value.remaining) == (3, 5)
    assert operations.verify("b") == []


def test_items_that_take_no_time_are_not_asked_about_one_by_one() -> None:
    looks = []

    def process(item: str) -> None:
        looks.append(sum(query["sql"].startswith(LOOKS) for query in queries.captured_queries))

    with CaptureQueriesContext(connection) as queries:
        checkpoint_manager.resume_from_checkpoint("b", ITEMS, process)
    assert len(looks) == 8
    assert looks[-1] == looks[0]
