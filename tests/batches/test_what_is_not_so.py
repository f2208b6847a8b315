"""What was said of batches while it was not so: late starts, workers that have left, and what no door can do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from batches import checkpoint_manager, operations, progress_tracker
from batches.engine.waiting_reasons import WaitingReasons
from batches.models import Batch, Retry, Worker
from errors.desk.addresses import desk_url
from tests.helpers.batches import modes, ran, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.pages import page, words
from tests.helpers.people import client, person, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]


def worker(name: str, *, processors: tuple[str, ...] = ("test.do",), declined: dict[str, str] | None = None) -> None:
    now = timezone.now()
    its_code = {"code": "c0de", "processors": dict.fromkeys(processors, ""), "declined": declined or {}}
    Worker.objects.create(
        name=f"{name}:0:7:7", host=name, started_at=now, heard_at=now + timedelta(hours=1), **its_code
    )


def failed_by_script(total: int = 0) -> Batch:
    def process(item: str) -> None:
        raise ValueError(f"bad {item}")

    checkpoint_manager.resume_from_checkpoint("b", ["1", "2"], process)
    return operations.get_batch("b")


def test_a_batch_that_was_to_start_says_why_it_has_not() -> None:
    batch = submitted(modes("ok"), start_at=timezone.now() + timedelta(hours=1))
    assert "it starts by itself at" in batch_command("show", batch.pk)[1]
    Batch.objects.filter(pk=batch.pk).update(start_at=timezone.now() - timedelta(minutes=5))
    browser = signed_in(person("admin"))
    for told in (
        client("viewer").get(f"/api/batches/{batch.pk}").json()["sentence"],
        batch_command("list")[1],
        words(page(browser, batch.get_absolute_url())),
    ):
        assert "it was to start by itself at" in told
        assert "but no worker lives, and these start it." in told
    assert "was to start at" in words(page(browser, "/admin/batches/batch/"))
    worker("elsewhere")
    assert "as soon as a worker sees to it" in batch_command("show", batch.pk)[1]


def test_a_worker_that_lives_and_can_run_a_batch_is_waited_for_as_any_other() -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk)
    batch.refresh_from_db()
    worker("old", declined={batch.pk: "There is no processor 'test.do'."})
    wait = WaitingReasons().why(batch, is_held=False)
    assert wait is not None
    assert wait.sentence.startswith("Waiting for a worker that can run test.do.")
    worker("new")
    wait = WaitingReasons().why(batch, is_held=False)
    assert wait is not None
    assert wait.sentence == "Waiting for a worker to pick it up. First in line; 2 workers, 0 batches run."


def test_a_desk_offers_no_retry_of_what_a_script_alone_can_try_again() -> None:
    batch, browser = failed_by_script(), signed_in(person("admin"))
    assert operations.legal_verbs(batch) == []
    desk = words(page(browser, desk_url(batch.pk)))
    for button in ("Retry", "Upload corrected rows", "Work out a plan"):
        assert button not in desk
    for address in (f"{desk_url(batch.pk)}retry/", f"{desk_url(batch.pk)}fixes/"):
        told = words(page(browser, address))
        assert "resume_from_checkpoint, called by its script, tries failed items again." in told
        assert "can begin once" not in told
        assert "Check the file" not in told
    item = batch.items.first()
    assert item is not None
    told = page(browser, f"/admin/batches/item/{item.pk}/change/")
    assert "Retry…" not in told
    assert "Correct…" not in told


def test_a_retry_of_a_cancelled_batch_is_never_possible_and_said_to_be() -> None:
    batch = ran(modes("invalid", "ok"))
    assert operations.when_retried(batch) == ""
    batch.status = "RUNNING"
    assert operations.when_retried(batch).endswith("a retry can begin once it is paused, halted or completed.")
    batch.status = "CANCELLED"
    assert operations.when_retried(batch) == "The batch is cancelled: nothing of it is tried again."


def test_a_desk_counts_as_done_what_a_script_has_counted() -> None:
    progress_tracker.start_batch("b", 100)
    progress_tracker.increment_completed("b", 40)
    assert "40 of 100 are done" in words(page(signed_in(person("admin")), desk_url("b")))


def test_a_retry_that_is_held_is_called_held_where_a_batch_lists_it() -> None:
    batch = ran(modes(*["invalid"] * 4))
    Retry.objects.create(batch=batch, number=1, scope={"all_failed": True}, state=Retry.State.HELD, items=4, canary=2)
    told = words(page(signed_in(person("admin")), batch.get_absolute_url()))
    assert "Not tried yet State" in told
    assert " Held " in told
