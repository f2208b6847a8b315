"""Batches that a script counts: they end, hold their promises, and are steered from every door."""

from __future__ import annotations

from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from batches import checkpoint_manager, metrics, operations, progress_tracker, tasks
from batches.exceptions import BatchCancelled, InvalidInput, InvalidTransition, UnknownBatch
from batches.models import Batch, Checkpoint, Delivery, Webhook
from batches.pages.batch_text import sentence
from tests.helpers.command_line import batch_command
from tests.helpers.people import client

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def standing(batch_id: str = "b") -> tuple[str, str | None, int, int]:
    progress = progress_tracker.get_progress(batch_id)
    return progress.status, progress.outcome, progress.completed, progress.total_items


def path_of(batch_id: str = "b") -> list[tuple[str, str]]:
    return list(operations.get_batch(batch_id).transitions.values_list("from_status", "to_status"))


def test_it_is_completed_with_its_last_item() -> None:
    progress_tracker.start_batch("b", 3)
    assert [progress_tracker.increment_completed("b") for _ in range(2)] == ["RUNNING", "RUNNING"]
    assert progress_tracker.increment_failed("b") == "COMPLETED"
    assert standing() == ("COMPLETED", "with_errors", 2, 3)
    assert operations.get_batch("b").finished_at is not None
    assert path_of() == [("PENDING", "RUNNING"), ("RUNNING", "COMPLETED")]
    assert operations.verify("b") == []


def test_it_is_counted_on_after_its_end_and_begun_anew() -> None:
    progress_tracker.start_batch("b", 2)
    progress_tracker.increment_completed("b", 2)
    assert progress_tracker.increment_completed("b", 3) == "COMPLETED"
    assert standing() == ("COMPLETED", "clean", 5, 5)
    progress_tracker.start_batch("b", 4)
    assert standing() == ("RUNNING", None, 0, 4)
    assert operations.verify("b") == []


def test_it_is_ended_by_its_script_where_the_total_is_not_known() -> None:
    progress_tracker.start_batch("b", 0)
    assert [progress_tracker.increment_completed("b") for _ in range(3)] == ["RUNNING"] * 3
    assert progress_tracker.get_progress("b").milestones == []
    report = progress_tracker.finish_batch("b")
    assert (report.status, report.outcome, report.completed) == ("COMPLETED", "clean", 3)
    assert [row["milestone"] for row in report.milestones] == [25, 50, 75, 100]
    assert progress_tracker.finish_batch("b").status == "COMPLETED"
    assert operations.verify("b") == []


def test_it_is_ended_before_all_items_were_counted() -> None:
    progress_tracker.start_batch("b", 100)
    progress_tracker.increment_completed("b", 60)
    report = progress_tracker.finish_batch("b")
    assert (report.status, report.outcome, report.remaining) == ("COMPLETED", "partial", 40)
    assert [row["milestone"] for row in report.milestones] == [25, 50]
    batch = operations.get_batch("b")
    assert "60 of 100 items have an outcome" in sentence(batch, report, [])
    assert operations.verify("b") == []


def test_it_does_not_end_what_it_cannot() -> None:
    with pytest.raises(UnknownBatch):
        progress_tracker.finish_batch("b")
    assert not Batch.objects.exists()

    def stop(item: str) -> None:
        operations.pause("b")

    checkpoint_manager.resume_from_checkpoint("b", [f"item_{n}" for n in range(20)], stop)
    with pytest.raises(InvalidInput, match=r"of its items have no outcome\. Call resume_from_checkpoint"):
        progress_tracker.finish_batch("b")


def test_it_begins_with_the_first_count() -> None:
    assert progress_tracker.increment_completed("b") == "RUNNING"
    assert standing() == ("RUNNING", None, 1, 1)


def test_it_costs_four_statements_to_count_and_to_look(django_assert_max_num_queries: Any) -> None:
    progress_tracker.start_batch("b", 10_000)
    progress_tracker.increment_completed("b")
    with django_assert_max_num_queries(4):
        progress_tracker.increment_completed("b", 7)
    with django_assert_max_num_queries(4):
        assert progress_tracker.get_progress("b").completed == 8


def test_its_milestones_are_never_ahead_of_its_counts() -> None:
    progress_tracker.start_batch("b", 4)
    progress_tracker.increment_completed("b", 3)
    counted = Event()

    def count() -> None:
        progress_tracker.increment_completed("b")
        connection.close()

    def count_meanwhile(execute: Any, sql: str, *rest: Any) -> Any:
        """Another thread counts the last item once the lanes were read."""
        rows = execute(sql, *rest)
        if "batches_checkpoint" in sql and not counted.is_set():
            counted.set()
            thread = Thread(target=count)
            thread.start()
            thread.join()
        return rows

    with connection.execute_wrapper(count_meanwhile):
        progress = progress_tracker.get_progress("b")
    assert counted.is_set()
    assert (progress.completed, [row["milestone"] for row in progress.milestones]) == (3, [25, 50, 75])
    assert progress_tracker.get_progress("b").status == "COMPLETED"


def test_it_is_never_stuck_and_wakes_nobody(settings: Any) -> None:
    progress_tracker.start_batch("b", 10)
    progress_tracker.increment_completed("b")
    long_ago = timezone.now() - timedelta(seconds=100 * settings.PORTAL_LEASE_SECONDS)
    Batch.objects.update(running_since=long_ago, created_at=long_ago)
    Checkpoint.objects.update(saved_at=long_ago)
    assert not progress_tracker.get_progress("b").stuck
    page = metrics.exposition().decode()
    for name in ("batches_stuck", "stalled_seconds", "queue_depth"):
        assert f"batchportal_{name} 0.0" in page
    operations.pause("b")
    operations.resume("b")
    operations.get_batch("b").transitions.update(at=long_ago)
    assert "batchportal_oldest_pending_seconds 0.0" in metrics.exposition().decode()


def test_it_tells_webhooks_of_its_end(hook: Webhook) -> None:
    progress_tracker.start_batch("b", 1)
    progress_tracker.increment_completed("b")
    assert "batch.completed" in Delivery.objects.filter(batch="b").values_list("event", flat=True)


def test_its_sentence_says_who_drives_it() -> None:
    progress_tracker.start_batch("b", 10)
    batch, viewer = operations.get_batch("b"), client("viewer")
    assert "worker" not in batch.sentence
    assert batch.sentence.startswith("Driven by a script")
    assert viewer.get("/api/batches/b/progress").json()["sentence"] == batch.sentence
    assert sentence(batch, progress_tracker.get_progress("b"), []) == "Driven by a script."


@pytest.mark.parametrize("door", ["rest", "command line"])
def test_it_is_paused_resumed_and_cancelled_while_a_script_counts(door: str) -> None:
    def act(verb: str) -> None:
        if door == "rest":
            assert client("operator").post(f"/api/batches/b/{verb}").status_code == 202
        else:
            assert batch_command(verb, "b")[0] in (0, 3)

    progress_tracker.start_batch("b", 10)
    assert operations.legal_verbs(operations.get_batch("b")) == ["pause", "cancel"]
    act("pause")
    assert progress_tracker.increment_completed("b") == "PAUSED"
    assert standing() == ("PAUSED", None, 1, 10)
    progress_tracker.start_batch("b", 10)  # a script that begins anew does not take a person's word back
    assert standing() == ("PAUSED", None, 0, 10)
    act("resume")
    assert progress_tracker.increment_completed("b", 3) == "RUNNING"
    act("cancel")
    with pytest.raises(BatchCancelled, match="Batch b was cancelled: 6 items were not processed") as refused:
        progress_tracker.increment_completed("b")
    assert refused.value.remaining == 6
    assert standing() == ("CANCELLED", "partial", 4, 10)
    assert operations.verify("b") == []
    progress_tracker.start_batch("b", 1)
    assert progress_tracker.increment_completed("b") == "COMPLETED"
    assert operations.verify("b") == []


def test_it_is_completed_by_items_counted_while_it_was_paused() -> None:
    progress_tracker.start_batch("b", 2)
    operations.pause("b")
    progress_tracker.increment_completed("b")
    assert progress_tracker.increment_completed("b") == "COMPLETED"
    assert operations.verify("b") == []


def test_it_says_why_a_worker_cannot_start_or_retry_it() -> None:
    checkpoint_manager.save_checkpoint("b", 0, [], ["item_0"])
    with pytest.raises(InvalidTransition, match="Only the script that drives it can run its items"):
        operations.start("b")
    with pytest.raises(InvalidTransition, match="resume_from_checkpoint, called by its script, tries failed items"):
        operations.retry("b", all_failed=True)


def test_it_counts_the_items_of_a_checkpoint_once() -> None:
    progress_tracker.start_batch("b", 30)
    done: list[str] = []
    for n in range(30):
        done.append(f"item_{n}")
        progress_tracker.increment_completed("b")
        if n % 10 == 8:  # the checkpoint lags behind the counts by an item
            checkpoint_manager.save_checkpoint("b", n, done[:-1], [])
            assert progress_tracker.get_progress("b").completed == n + 1
            assert operations.verify("b") == []
    assert standing() == ("COMPLETED", "clean", 30, 30)
    checkpoint_manager.save_checkpoint("b", 30, done, [])
    assert standing() == ("COMPLETED", "clean", 30, 30)
    assert operations.verify("b") == []


def test_it_is_completed_by_a_checkpoint_that_holds_all_items() -> None:
    progress_tracker.start_batch("b", 3)
    checkpoint_manager.save_checkpoint("b", 2, ["a", "b"], [])
    assert standing() == ("RUNNING", None, 2, 3)
    checkpoint_manager.save_checkpoint("b", 3, ["a", "b"], ["c"])
    assert standing() == ("COMPLETED", "with_errors", 2, 3)


def test_it_starts_over_what_has_items() -> None:
    checkpoint_manager.save_checkpoint("b", 3, ["a", "b", "c"], [])
    progress_tracker.start_batch("b", 5)
    assert standing() == ("RUNNING", None, 3, 5)
    assert operations.verify("b") == []
    assert progress_tracker.increment_completed("b", 2) == "COMPLETED"
    assert operations.verify("b") == []


def test_a_pause_is_granted_by_the_sweep_when_its_script_died() -> None:
    progress_tracker.start_batch("b", 5)
    Batch.objects.update(status="PAUSING")
    tasks.sweep_now()
    assert standing() == ("PAUSED", None, 0, 5)
