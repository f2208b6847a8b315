"""Of a batch that a script drives nothing is said that a script which has ended, or counts only, makes untrue."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from batches import checkpoint_manager, operations, progress_tracker
from batches.models import Batch, Checkpoint, Item
from batches.pages.batch_text import sentence
from batches.progress_tracker import Progress
from tests.helpers.command_line import batch_command
from tests.helpers.pages import page
from tests.helpers.people import client, person, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def counted(total: int, completed: int, seconds_ago: float) -> Progress:
    """A batch that runs for a minute longer than its script is silent."""
    progress_tracker.start_batch("b", total)
    progress_tracker.increment_completed("b", completed)
    last = timezone.now() - timedelta(seconds=seconds_ago)
    Checkpoint.objects.update(saved_at=last)
    Batch.objects.update(running_since=last - timedelta(minutes=1), started_at=last - timedelta(minutes=1))
    return progress_tracker.get_progress("b")


def told() -> str:
    return sentence(operations.get_batch("b"), progress_tracker.get_progress("b"), [])


def test_a_script_that_reports_nothing_any_more_promises_no_end() -> None:
    progress = counted(100, 60, seconds_ago=20)
    assert progress.silent_since is not None
    assert (progress.eta_seconds, progress.recent_velocity, progress.stuck) == (None, None, False)
    assert re.match(r"Its script has reported nothing since \S+ UTC, with 40 items to go\. If it has ended", told())
    answer = client("viewer").get("/api/batches/b/progress").json()
    assert (answer["status"], answer["status_text"]) == ("RUNNING", "Waiting for its script")
    assert answer["sentence"] == answer["waits_because"] == told()
    assert told() in batch_command("show", "b")[1]
    assert told() in page(signed_in(person("admin")), "/admin/batches/batch/")


@pytest.mark.parametrize(("completed", "seconds_ago"), [(60, 5), (3, 60)])
def test_a_script_is_not_silent_before_it_has_missed_some_reports(completed: int, seconds_ago: float) -> None:
    assert counted(100, completed, seconds_ago).silent_since is None
    assert told().startswith("Driven by a script")


def test_a_script_that_died_with_an_item_in_hand_is_silent_at_once() -> None:
    counted(100, 60, seconds_ago=1)
    died, lives = timezone.now() - timedelta(seconds=1), timezone.now() + timedelta(minutes=1)
    Checkpoint.objects.update(worker="elsewhere:0:7:7", lease_expires_at=lives)
    assert progress_tracker.get_progress("b").silent_since is None
    Checkpoint.objects.update(lease_expires_at=died)
    assert progress_tracker.get_progress("b").silent_since is not None


def test_a_script_that_has_not_told_how_many_items_there_are_has_no_end_in_sight() -> None:
    progress = counted(0, 60, seconds_ago=1)
    assert (progress.remaining, progress.eta_seconds) == (0, None)
    assert told().startswith("Driven by a script: 60 items so far, of a number it has not told")


def test_an_empty_batch_says_that_there_was_nothing_to_do() -> None:
    progress_tracker.start_batch("b", 0)
    progress_tracker.finish_batch("b")
    assert told() == "It had no items: there was nothing to do."


def test_numbers_lead_to_no_list_of_items_that_have_no_rows() -> None:
    progress_tracker.start_batch("b", 10)
    progress_tracker.increment_completed("b", 5)
    progress_tracker.increment_failed("b", 2)
    browser = signed_in(person("admin"))
    text = page(browser, "/admin/batches/batch/b/change/")
    assert "No item has failed" not in text
    assert "Its script counted 2 failed items" in text
    for status in ("SUCCEEDED", "FAILED", "PENDING"):
        assert f"status__exact={status}" not in text
    assert "failed_at__isnull" not in page(browser, "/admin/batches/batch/")


def test_numbers_lead_to_the_items_that_a_script_named() -> None:
    def process(item: str) -> None:
        if item == "2":
            raise ValueError(item)

    checkpoint_manager.resume_from_checkpoint("b", ["1", "2"], process)
    text = page(signed_in(person("admin")), "/admin/batches/batch/b/change/")
    for status in (Item.Status.SUCCEEDED, Item.Status.FAILED):
        assert f"status__exact={status.value}" in text
    assert operations.get_batch("b").transitions.last().actor == "python"  # type: ignore[union-attr]
