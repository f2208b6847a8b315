"""What is shown of a batch's status is true at every door: nothing runs while no worker may, or could, work on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from batches import operations, progress_tracker
from batches.models import Batch, Checkpoint, Worker
from batches.pages.batch_text import speed
from errors.desk.addresses import desk_url
from tests.helpers.batches import modes, ran, submitted, worked_on
from tests.helpers.command_line import batch_command
from tests.helpers.pages import page, words
from tests.helpers.people import client, person, signed_in

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]
WORKER = "elsewhere:0:7:7"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def living_worker(engine: None) -> None:
    now = timezone.now()
    Worker.objects.create(name=WORKER, host="elsewhere", code="c0de", started_at=now, heard_at=now + 60 * MINUTE)


def running(*its_modes: str) -> Batch:
    """A batch of which one item failed, and that a worker holds."""
    batch = worked_on(modes("invalid", *its_modes))
    Checkpoint.objects.filter(batch=batch).update(worker=WORKER, lease_expires_at=timezone.now() + 60 * MINUTE)
    Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.RUNNING, running_since=timezone.now(), total_items=9)
    return batch


def paused_everywhere() -> Batch:
    batch = let_go(running("ok"), MINUTE)
    operations.pause_everything(reason="the provider is down", actor="ana")
    return batch


def pausing_everywhere() -> Batch:
    batch = running("ok")
    operations.pause_everything(reason="the provider is down", actor="ana")
    return batch


def let_go(batch: Batch, ago: timedelta) -> Batch:
    Checkpoint.objects.filter(batch=batch).update(worker="", lease_expires_at=None, saved_at=timezone.now() - ago)
    Batch.objects.filter(pk=batch.pk).update(running_since=timezone.now() - ago)
    return batch


def all_that_remains_waits() -> Batch:
    return worked_on(modes("invalid", "later"))


def behind_others() -> Batch:
    return let_go(running("ok"), timedelta(seconds=30))


CASES: list[tuple[Callable[[], Batch], str, str]] = [
    (lambda: running("ok"), "Running", ""),
    (paused_everywhere, "Paused everywhere", "Everything is paused by ana: the provider is down."),
    (pausing_everywhere, "Pausing everywhere", "Everything is paused by ana: the provider is down."),
    (all_that_remains_waits, "Waiting", ""),
    (behind_others, "Waiting for a worker", "It has begun, and waits for its next turn: 1 worker, 0 batches run."),
    (lambda: let_go(running("ok"), timedelta(seconds=5)), "Running", ""),
    (lambda: let_go(running("ok"), 60 * MINUTE), "No worker", ""),
]


@pytest.mark.parametrize(("case", "label", "because"), CASES)
@pytest.mark.full
def test_it_is_shown_by_a_word_that_is_true(case: Callable[[], Batch], label: str, because: str) -> None:
    batch, rest, user = case(), client("admin"), person("admin")
    User.objects.update(email="o@example.org")
    operations.watch(batch.pk, User.objects.get(pk=user.pk))
    browser = signed_in(user)
    for address in (f"/api/batches/{batch.pk}", f"/api/batches/{batch.pk}/progress"):
        answer = rest.get(address).json()
        assert (answer["status"], answer["status_text"], answer["waits_because"]) == ("RUNNING", label, because)
    for address in (batch.get_absolute_url(), "/admin/batches/batch/", desk_url(batch.pk)):
        assert f"</span> {label}</span>" in page(browser, address), address
    assert f"{batch} {label}" in words(page(browser, "/admin/batches/batch/mail/"))
    assert f" {label.lower()} " in batch_command("list")[1]
    assert f"  {label}  " in batch_command("show", batch.pk)[1]
    assert json.loads(batch_command("show", batch.pk, "--json")[1])["status"] == "RUNNING"


def test_it_is_not_stuck_while_every_worker_that_lives_is_busy_with_others() -> None:
    low = let_go(running("ok"), 3 * MINUTE)
    assert progress_tracker.get_progress(low.pk).stuck
    running("ok")
    assert not progress_tracker.get_progress(low.pk).stuck
    assert (
        f"{low.pk}  Waiting for a worker  It has begun, and waits for its next turn: 1 worker, 1 batch runs."
        in (batch_command("show", low.pk)[1])
    )
    assert "STUCK" not in batch_command("list")[1]
    let_go(low, 10 * MINUTE)
    assert progress_tracker.get_progress(low.pk).stuck, "whatever its priority, it has a turn before"


def test_it_promises_no_end_while_nobody_knows_for_how_long_everything_is_paused() -> None:
    batch, browser = all_that_remains_waits(), signed_in(person("admin"))
    assert "done but for 1 that waits" in page(browser, "/admin/batches/batch/")
    operations.pause_everything(reason="the provider is down", actor="ana")
    assert "done but for" not in page(browser, "/admin/batches/batch/")
    assert "Everything is paused by ana" in batch_command("show", batch.pk)[1]


def test_it_lists_batches_in_columns_however_long_the_words_are() -> None:
    for batch in (running("ok"), behind_others()):
        assert batch.pk in batch_command("list")[1]
    first, second = (line.index(" %") for line in batch_command("list")[1].splitlines()[:2])
    assert first == second


def test_it_says_what_a_batch_waits_for_and_not_why_a_person_started_it() -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk, reason="the file is complete")
    assert "First in line; 1 worker, 0 batches run." in batch_command("show", batch.pk)[1]


def test_it_says_how_a_halted_batch_goes_on() -> None:
    batch = ran(modes("invalid", "invalid", "ok"), max_errors=0, checkpoint_every=1)
    text = batch_command("show", batch.pk)[1]
    assert "1 item failed; the budget is 0." in text
    assert f"\nTo go on: manage.py batch resume {batch.pk} --max-errors N|none\n" in text


@pytest.mark.parametrize(("status", "asked"), [("PAUSING", "Pause was asked for"), ("CANCELLING", "Cancel was asked")])
def test_a_request_that_no_living_worker_can_grant_is_told_as_one(status: str, asked: str) -> None:
    batch = running("ok")
    Worker.objects.filter(name=WORKER).update(heard_at=timezone.now() - MINUTE)
    Batch.objects.filter(pk=batch.pk).update(status=status)
    told = client("admin").get(f"/api/batches/{batch.pk}").json()["sentence"]
    assert told.startswith(asked)
    assert "no worker that lives has it" in told
    assert told in page(signed_in(person("admin")), batch.get_absolute_url())


def test_a_batch_that_nobody_works_on_says_whether_any_worker_lives() -> None:
    batch = let_go(running("ok"), 60 * MINUTE)
    assert "no worker has taken it for a while" in batch_command("show", batch.pk)[1]
    Worker.objects.filter(name=WORKER).update(heard_at=timezone.now() - MINUTE)
    told = batch_command("show", batch.pk)[1]
    assert "No worker lives: it goes on from its last checkpoint as soon as one does." in told
    assert "for a while" not in told


@pytest.mark.parametrize(
    ("velocity", "told"),
    [
        (0.0, "no item done in 30 s"),
        (0.064, "0.064 items a second"),
        (1.0, "1.0 items a second"),
        (1234.5, "1,234 items a second"),
    ],
)
def test_a_pace_is_never_told_as_none_while_items_are_done(velocity: float, told: str) -> None:
    progress = progress_tracker.get_progress(running("ok").pk)
    assert speed(replace(progress, recent_velocity=velocity)) == told
