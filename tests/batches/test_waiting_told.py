"""What waits is told wherever it matters, and nowhere else: on desks, of halted and ended batches, in exports."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from batches import progress_tracker
from batches.engine.waiting_reasons import WaitingReasons
from batches.models import Batch, Worker
from batches.pages.batch_page import counts
from batches.pages.batch_text import eta, sentence
from batches.progress_text import sentence_of, waits_of
from errors.desk.addresses import desk_url
from tests.helpers.batches import modes, submitted, worked_on
from tests.helpers.failed_rows import exported_rows
from tests.helpers.pages import page
from tests.helpers.people import UserOf, signed_in

pytestmark = pytest.mark.usefixtures("engine")


def in_status(status: str, **more: Any) -> Batch:
    """A batch of which two items wait for their next try."""
    batch = worked_on(modes("ok", "later", "later"))
    Batch.objects.filter(pk=batch.pk).update(status=status, **more)
    batch.refresh_from_db()
    return batch


def labels(batch: Batch) -> list[str]:
    return [count.label for count in counts(batch, progress_tracker.get_progress(batch.pk))]


def test_nothing_of_a_cancelled_batch_is_counted_as_waiting() -> None:
    assert "of them waiting" in labels(in_status("PAUSED"))
    assert labels(in_status("CANCELLED"))[-1] == "without an outcome"


def test_the_head_of_a_desk_counts_what_waits(user_of: UserOf) -> None:
    client = signed_in(user_of("viewer"))
    batch = in_status("PAUSED")
    assert "<b>2</b> wait for another try</a>" in page(client, desk_url(batch.pk))
    Batch.objects.filter(pk=batch.pk).update(status="CANCELLED")
    assert "for another try</a>" not in page(client, desk_url(batch.pk))


@pytest.mark.parametrize("status", ["HALTED", "PAUSED", "PAUSING"])
def test_what_stands_still_promises_no_moment_for_a_next_try(status: str) -> None:
    batch = in_status(status, reason="2 failed; the budget is 1.")
    progress = progress_tracker.get_progress(batch.pk)
    waits = "2 items wait for their next try (UNKNOWN, attempt 2), which they have after resume."
    assert waits_of(progress) == waits
    assert eta(progress) == "2 that wait until it is resumed"
    assert sentence_of(batch, progress).count("wait for their next try") == 1
    assert "their next try" not in sentence(batch, progress, []), "the line below says it"


def test_nothing_is_promised_to_what_waits_in_a_batch_that_is_being_cancelled() -> None:
    progress = progress_tracker.get_progress(in_status("CANCELLING").pk)
    assert (waits_of(progress), eta(progress)) == ("", "")


def test_a_next_try_is_never_promised_for_a_moment_but_for_no_earlier_one() -> None:
    """A worker may be busy or gone, or everything paused."""
    progress = progress_tracker.get_progress(in_status("RUNNING", running_since=timezone.now()).pk)
    assert "not before " in waits_of(progress)
    assert " at " not in waits_of(progress)


def test_it_says_that_nobody_knows_a_processor_while_no_worker_lives() -> None:
    batch = submitted(modes("ok"))
    Batch.objects.filter(pk=batch.pk).update(status="QUEUED", processor="nowhere.found")
    batch.refresh_from_db()
    wait = WaitingReasons().why(batch, is_held=False)
    assert wait is not None
    assert wait.sentence == (
        "Waiting for a worker that can run nowhere.found. No worker lives, and this process does not know "
        "nowhere.found either: is the code that registers it installed?"
    )
    known = {"host": "h", "code": "c", "started_at": timezone.now(), "heard_at": timezone.now()}
    Worker.objects.create(name="elsewhere:0:7:7", processors={"nowhere.found": ""}, **known)
    assert "nowhere.found" not in str(WaitingReasons().why(batch, is_held=False))


def test_an_export_of_groups_counts_what_waits() -> None:
    (row,) = exported_rows(in_status("PAUSED"), "summary")
    assert (row["failing_now"], row["waiting"]) == ("0", "2")
