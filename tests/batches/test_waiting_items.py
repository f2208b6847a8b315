"""Items that wait for their next try: a number of their own, with why and until when; and how they end."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from batches import operations, progress_tracker
from batches.engine import runner
from batches.exceptions import InvalidInput, ScopeChanged
from batches.models import Batch, Checkpoint, Item, Worker
from batches.moments import moment
from batches.pages.batch_text import sentence
from batches.progress_text import waits_of
from errors.desk.addresses import desk_url
from errors.models import ErrorRecord
from tests.helpers.batches import item, modes, ran, statuses, submitted, worked_on
from tests.helpers.command_line import batch_command
from tests.helpers.people import signed_in

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def operator(user_of: Any) -> Client:
    return signed_in(user_of("operator"))


@pytest.fixture
def viewer(user_of: Any) -> Client:
    return signed_in(user_of("viewer"))


@pytest.fixture(autouse=True)
def living_worker(engine: None) -> Worker:
    """One that is heard of, however long a test takes: without any, a batch stands still."""
    now = timezone.now()
    known = {"host": "elsewhere", "code": "c0de", "started_at": now, "heard_at": now + timedelta(hours=1)}
    return Worker.objects.create(name="elsewhere:0:7:7", **known)


def waiting_batch() -> Batch:
    return worked_on(modes("ok", "ok", "invalid", "later", "later"))


def test_it_counts_items_that_wait_apart_from_those_to_go() -> None:
    progress = progress_tracker.get_progress(waiting_batch().pk)
    assert (progress.remaining, progress.waiting, progress.ready) == (2, 2, 0)
    assert progress.waits is not None
    assert (progress.waits["codes"], progress.waits["attempt"]) == (["UNKNOWN"], 2)
    assert progress.waits["first_at"] <= progress.waits["last_at"]
    in_an_hour = timezone.now() + timedelta(seconds=3600)
    assert abs(datetime.fromisoformat(progress.waits["last_at"]) - in_an_hour) < timedelta(minutes=5)


def test_it_promises_no_end_before_the_last_item_may_run() -> None:
    progress = progress_tracker.get_progress(waiting_batch().pk)
    assert progress.eta_seconds is not None
    assert 3300 < progress.eta_seconds <= 3600


def test_it_says_what_waits_and_until_when() -> None:
    batch = waiting_batch()
    progress = progress_tracker.get_progress(batch.pk)
    assert sentence(batch, progress, []).startswith("Done but for 2 that wait until ")
    assert waits_of(progress).startswith("2 items wait for their next try (UNKNOWN, attempt 2): ")


def test_nothing_is_stuck_that_only_waits() -> None:
    batch = waiting_batch()
    long_ago = timezone.now() - timedelta(hours=1)
    Batch.objects.filter(pk=batch.pk).update(running_since=long_ago)
    Checkpoint.objects.filter(batch=batch).update(saved_at=long_ago, lease_expires_at=None, worker="")
    assert not progress_tracker.get_progress(batch.pk).stuck
    Item.objects.filter(batch=batch, available_at__isnull=False).update(available_at=timezone.now())
    assert not progress_tracker.get_progress(batch.pk).stuck
    Item.objects.filter(batch=batch, available_at__isnull=False).update(available_at=long_ago)
    assert progress_tracker.get_progress(batch.pk).stuck


def test_what_waits_has_no_end_in_sight_without_a_worker(living_worker: Worker) -> None:
    batch = waiting_batch()
    living_worker.delete()
    Checkpoint.objects.filter(batch=batch).update(saved_at=timezone.now() - timedelta(minutes=1))
    Batch.objects.filter(pk=batch.pk).update(running_since=timezone.now() - timedelta(minutes=1))
    progress = progress_tracker.get_progress(batch.pk)
    assert (progress.stuck, progress.eta_seconds) == (True, None)
    assert sentence(batch, progress, []).startswith("No worker lives: ")


def test_every_door_says_that_items_wait(operator: Client) -> None:
    batch = waiting_batch()
    answer = operator.get(f"/api/batches/{batch.pk}/progress").json()
    assert (answer["waiting"], answer["waits"]["attempt"]) == (2, 2)
    assert answer["sentence"].startswith("2 items wait for their next try")
    assert operator.get(f"/api/batches/{batch.pk}").json()["sentence"] == answer["sentence"]
    page = operator.get(batch.get_absolute_url()).content.decode()
    assert "Done but for 2 that wait until" in page
    assert "Give up waiting…" in page
    assert "done but for 2 that wait until" in operator.get("/admin/batches/batch/").content.decode()
    assert "2 items wait for their next try" in operator.get(desk_url(batch.pk)).content.decode()
    assert "2 items wait for their next try" in batch_command("show", batch.pk)[1]
    assert json.loads(batch_command("list", "--json")[1])[0]["waiting"] == 2


def test_a_person_may_give_up_on_them() -> None:
    batch = waiting_batch()
    with pytest.raises(ScopeChanged):
        operations.give_up(batch.pk, count=3)
    assert operations.give_up(batch.pk, actor="ana", reason="enough", count=2) == 2
    batch.refresh_from_db()
    assert batch.status == Batch.Status.COMPLETED
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED", "FAILED", "FAILED", "FAILED"]
    assert ErrorRecord.objects.filter(batch=batch, position=3, final=True).count() == 1
    assert operations.verify(batch.pk) == []
    assert batch.transitions.get(verb="give up").reason == "2 items given up. enough"


def test_it_gives_up_nothing_where_nothing_waits() -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk)
    with pytest.raises(InvalidInput):
        operations.give_up(batch.pk)


def test_the_page_asks_before_it_gives_up(operator: Client) -> None:
    batch = waiting_batch()
    address = f"/admin/batches/batch/{batch.pk}/act/give_up/"
    assert "Give up on 2 items" in operator.get(address).content.decode()
    operator.post(address, {"count": "2", "reason": ""})
    assert statuses(batch)[3:] == ["FAILED", "FAILED"]


def test_rest_and_command_line_give_up(operator: Client, viewer: Client) -> None:
    batch = waiting_batch()
    assert viewer.post(f"/api/batches/{batch.pk}/give_up").status_code == 403
    answer = operator.post(f"/api/batches/{batch.pk}/give_up", {"count": 2}, "application/json").json()
    assert (answer["status"], answer["progress"]["failed"]) == ("COMPLETED", 3)
    other = worked_on(modes("ok", "later"), batch_id="other")
    assert "1 item given up" in batch_command("give-up", other.pk)[1]


def test_rate_limited_attempts_end_by_their_number() -> None:
    batch = ran(modes("limited", "ok"), rate_limit_attempts=3, max_attempts=1)
    assert statuses(batch) == ["FAILED", "SUCCEEDED"]
    assert (item(batch, 0).attempts, item(batch, 0).code) == (3, "HTTP_429")
    assert list(ErrorRecord.objects.filter(batch=batch).order_by("attempt").values_list("final", flat=True)) == [
        *(False, False, True)
    ]
    assert operations.verify(batch.pk) == []


def test_a_retry_begins_to_count_rate_limited_attempts_anew() -> None:
    batch = ran(modes("limited"), rate_limit_attempts=2, max_attempts=1)
    operations.retry(batch.pk, all_failed=True)
    runner.work_until_idle(batch.pk)
    assert (statuses(batch), item(batch, 0).attempts) == (["FAILED"], 4)


def test_rate_limited_attempts_end_by_time() -> None:
    batch = worked_on(modes("limited"), rate_limit_seconds=60)
    assert statuses(batch) == ["PENDING"]
    Item.objects.filter(batch=batch).update(rate_limited_since=timezone.now() - timedelta(seconds=61))
    runner.work_until_idle(batch.pk)
    assert (statuses(batch), item(batch, 0).attempts) == (["FAILED"], 2)


def test_the_limits_of_rate_limited_attempts_are_shown_and_can_be_changed(operator: Client) -> None:
    batch = worked_on(modes("ok", "later"))
    page = operator.get(batch.get_absolute_url()).content.decode()
    assert "at most 300 an item, for at most 1 day" in page
    operations.adjust(batch.pk, rate_limit_attempts=5, rate_limit_seconds=600)
    page = operator.get(batch.get_absolute_url()).content.decode()
    assert "at most 5 an item, for at most 10 minutes" in page


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 11, 27, 20, 7, 32, tzinfo=UTC), "20:07:32 UTC"),
        (datetime(2026, 11, 26, 20, 7, 32, tzinfo=UTC), "26 Nov 20:07:32 UTC"),
        (datetime(2025, 11, 26, 20, 7, 32, tzinfo=UTC), "26 Nov 2025 20:07:32 UTC"),
    ],
)
def test_a_moment_has_its_day_unless_it_is_today(at: datetime, text: str) -> None:
    assert moment(at, zone=UTC, now=datetime(2026, 11, 27, 8, tzinfo=UTC)) == text
