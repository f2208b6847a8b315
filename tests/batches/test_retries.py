"""Failures that may pass: tried again, later and later, within limits; and the rate, over all lanes."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.utils import timezone

from batches import operations
from batches.engine import pacing, runner
from batches.lanes import leases, outcomes
from batches.lanes.outcomes import BACKOFF_CAP, Claimed
from batches.models import Batch, Checkpoint, Item
from batches.processors import ItemError, Processor, RetryItem
from tests.helpers.batches import item, modes, ran, submitted

pytestmark = pytest.mark.usefixtures("engine")


def tried(
    error: BaseException, *, attempts: int = 0, forgiven: int = 0, most: int = 3, **more: Any
) -> outcomes.Outcome:
    claimed = Claimed(1, 0, "k", "{}", attempts, forgiven, 0, None)
    what = Processor(name="test", function=lambda p, c: None, **more)
    return outcomes.failed(
        claimed, error, processor=what, max_attempts=most, started_at=timezone.now(), worker="host:1"
    )


@pytest.mark.parametrize(
    ("error", "attempts", "again"),
    [
        (ConnectionRefusedError(111, "refused"), 0, True),
        (ConnectionRefusedError(111, "refused"), 2, False),
        (TimeoutError("slow"), 0, True),
        (ValueError("bad"), 0, False),
        (RetryItem("not yet"), 0, True),
        (RetryItem("not yet"), 2, False),
        (ItemError("no", retryable=True), 0, True),
        (ItemError("no", category="network", retryable=False), 0, False),
        (RuntimeError("what?"), 0, False),
    ],
    ids=repr,
)
def test_it_tries_again_what_may_pass_while_attempts_are_left(error: BaseException, attempts: int, again: bool) -> None:
    outcome = tried(error, attempts=attempts)
    assert (outcome.status == Item.Status.PENDING) is again
    assert (outcome.available_at is not None) is again
    assert outcome.failure is not None
    assert outcome.failure.final is not again


def test_it_lets_the_processor_say_what_may_pass() -> None:
    assert tried(ValueError("bad"), retry_on=(ValueError,)).status == Item.Status.PENDING


def test_it_takes_the_word_of_a_retry_for_its_code_and_category() -> None:
    outcome = tried(RetryItem("the shop wants a pause", code="SHOP_BUSY", category="rate_limit"), attempts=99)
    assert (outcome.code, outcome.status, outcome.forgiven) == ("SHOP_BUSY", Item.Status.PENDING, True)
    assert outcome.failure is not None
    assert outcome.failure.text is not None
    assert outcome.failure.text.classification.category == "rate_limit"


def test_it_does_not_count_attempts_that_were_turned_away_by_a_rate_limit() -> None:
    limited = ItemError("slow down", category="rate_limit")
    outcome = tried(limited, attempts=9, forgiven=7, most=3)
    assert (outcome.status, outcome.forgiven) == (Item.Status.PENDING, True)
    assert tried(limited, attempts=40, forgiven=40, most=1).status == Item.Status.PENDING


@pytest.mark.parametrize("attempt", [1, 2, 5, 30, 1_000])
def test_it_waits_longer_with_every_attempt_up_to_a_cap(attempt: int) -> None:
    waits = [outcomes.retry_delay(RuntimeError(), attempt).total_seconds() for _ in range(200)]
    assert 0 <= min(waits) <= max(waits) <= min(BACKOFF_CAP, 2.0**attempt)
    assert max(waits) > min(BACKOFF_CAP, 2.0**attempt) / 2


@pytest.mark.parametrize(("after", "seconds"), [(0, 0), (7.5, 7.5), (-3, 0), (10**9, 24 * 3600)])
def test_it_waits_as_long_as_it_was_asked_to(after: float, seconds: float) -> None:
    assert outcomes.retry_delay(RetryItem("later", after=after), 1) == timedelta(seconds=seconds)


@pytest.mark.parametrize("after", [float("nan"), float("inf"), "soon"])
def test_it_falls_back_to_its_own_delay_when_asked_for_nonsense(after: Any) -> None:
    asked = RetryItem("later")
    asked.after = after
    assert 0 <= outcomes.retry_delay(asked, 1).total_seconds() <= 2


def test_it_runs_the_other_items_while_one_waits_and_keeps_every_attempt() -> None:
    batch = ran(modes("fail_once", "ok", "fail_once"))
    assert [item(batch, n).status for n in range(3)] == ["SUCCEEDED"] * 3
    assert item(batch, 0).result == "attempt 2"
    assert [item(batch, n).attempts for n in range(3)] == [2, 1, 2]


def test_it_leaves_a_waiting_item_alone_until_its_time() -> None:
    batch = submitted(modes("ok", "ok"))
    Item.objects.filter(batch=batch, position=0).update(available_at=timezone.now() + timedelta(hours=1))
    operations.start(batch.pk)
    other_is_done, looks_after_that = Item.objects.filter(batch=batch, status="SUCCEEDED").exists, iter([False] * 5)
    runner.work_until_idle(batch.pk, should_stop=lambda: other_is_done() and next(looks_after_that, True))
    assert [item(batch, n).status for n in range(2)] == ["PENDING", "SUCCEEDED"]


def test_it_gives_a_retried_item_its_attempts_afresh(impatient: None) -> None:
    batch = ran(modes("network", "ok"))
    failed = item(batch, 0)
    assert (failed.status, failed.attempts) == ("FAILED", 3)
    operations.retry(batch.pk, all_failed=True)
    runner.work_until_idle(batch.pk)
    failed.refresh_from_db()
    assert (failed.status, failed.attempts) == ("FAILED", 6)


# -- the rate ----------------------------------------------------------------------------------------------------------


def paced(rate: float | None, lanes: int = 1) -> pacing.Pacer:
    batch = submitted(modes(*["ok"] * 10), rate=rate, concurrency=4)
    operations.start(batch.pk)
    Checkpoint.objects.filter(batch=batch).delete()
    later = timezone.now() + timedelta(minutes=1)
    for lane in range(lanes):
        Checkpoint.objects.create(batch=batch, lane=lane, worker=f"host:{lane}", lease_expires_at=later)
    held = Checkpoint.objects.get(batch=batch, lane=0)
    return pacing.Pacer(Batch.objects.get(pk=batch.pk), leases.Lease(held.pk, batch.pk, 0, 0, "host:0", -1, 0))


@pytest.mark.parametrize(("rate", "lanes", "share"), [(60.0, 1, 60.0), (60.0, 3, 20.0), (0.5, 1, 0.5)])
def test_it_shares_the_rate_between_the_lanes_at_work(rate: float, lanes: int, share: float) -> None:
    assert paced(rate, lanes).share() == pytest.approx(share)


@pytest.mark.parametrize(("rate", "size"), [(None, 10), (1_000.0, 10), (6.0, 3), (0.1, 1)])
def test_it_makes_chunks_small_enough_to_be_paused_soon(rate: float | None, size: int) -> None:
    assert paced(rate).chunk_size(10) == size


def test_it_owes_the_time_that_its_items_took_at_that_rate() -> None:
    pacer = paced(10.0)
    pacer.due = later = monotonic() + 3_600
    pacer.done(5)
    assert pacer.due - later == pytest.approx(0.5)


def test_it_does_not_make_up_for_an_idle_spell() -> None:
    pacer = paced(10.0)
    now = monotonic()
    pacer.due = now - 3_600
    pacer.done(5)
    assert pacer.due >= now


def test_it_runs_as_fast_as_it_goes_without_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "sleep", lambda seconds: pytest.fail(f"it sleeps for {seconds} s"))
    pacer = paced(None)
    pacer.due = later = monotonic() + 3_600
    pacer.done(1_000)
    pacer.wait(lambda: False)
    assert pacer.due == later
