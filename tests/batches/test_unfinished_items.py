"""Items that never got an outcome: those that were tried and waited are told apart from those nobody began."""

from __future__ import annotations

import pytest
from django.urls import reverse

from batches import operations
from batches.models import Batch
from batches.progress_text import unfinished_text
from batches.progress_tracker import get_progress
from tests.helpers.batches import item, modes, submitted, worked_on
from tests.helpers.command_line import batch_command
from tests.helpers.pages import content, page, words
from tests.helpers.people import UserOf, signed_in

pytestmark = pytest.mark.usefixtures("engine")
UNFINISHED = "2 items have no outcome: 2 were tried and waited for their next try"


def cancelled(*wanted: str) -> Batch:
    batch = worked_on(modes(*wanted))
    operations.cancel(batch.pk, actor="ana")
    batch.refresh_from_db()
    assert batch.status == Batch.Status.CANCELLED
    return batch


def test_it_says_of_a_cancelled_batch_what_was_tried(user_of: UserOf) -> None:
    batch = cancelled("ok", "later", "later")
    seen = words(content(page(signed_in(user_of("viewer")), reverse("admin:batches_batch_change", args=[batch.pk]))))
    assert UNFINISHED in seen
    assert "touched" not in seen
    assert "without an outcome" in seen
    assert "to go" not in seen
    shown = batch_command("show", batch.pk)[1]
    assert UNFINISHED in shown
    assert "to go" not in shown


def test_it_says_of_a_cancelled_batch_what_was_never_tried() -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk, actor="ana")
    operations.cancel(batch.pk, actor="ana")
    batch.refresh_from_db()
    text = unfinished_text(batch, get_progress(batch.pk))
    assert text == "1 item has no outcome: 1 was never tried."


def test_an_item_says_that_its_batch_ended_or_stands(user_of: UserOf) -> None:
    client = signed_in(user_of("viewer"))

    def seen(batch: Batch) -> str:
        return words(content(page(client, reverse("admin:batches_item_change", args=[item(batch, 1).pk]))))

    assert "It has no outcome: its batch ended before attempt 2." in seen(cancelled("ok", "later"))
    assert "Its batch has not been started." in seen(submitted(modes("ok", "ok")))
    paused = worked_on(modes("ok", "later"))
    operations.pause(paused.pk, actor="ana")
    assert "for attempt 2. Its batch is paused: nothing runs before that goes on." in seen(paused)
