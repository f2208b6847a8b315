"""How far, how fast and how long still: over pauses, retries, empty batches and batches that grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from batches import operations, progress_tracker
from batches.durations import rough
from batches.engine import runner
from batches.lifecycle import samples
from batches.lifecycle.velocity import Pace, eta_of, recent_pace, window_start
from batches.models import Batch, Checkpoint, Sample
from batches.progress_tracker import percent
from tests.helpers.batches import modes, ran, submitted

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def running(**more: Any) -> Batch:
    return Batch(pk="b", status="RUNNING", total_items=1000, **more)


def sampled(*stands: tuple[float, int]) -> list[Sample]:
    return [Sample(slot=n, at=NOW, active_seconds=active, done=done) for n, (active, done) in enumerate(stands)]


@pytest.mark.parametrize(
    ("recent", "done", "active", "velocity"),
    [
        (sampled(), 100, 10, 10),  # no samples at all: the whole life is the window
        (sampled((0, 0)), 100, 10, 10),
        (sampled((0, 0), (100, 1000), (125, 1025)), 1030, 130, 1),  # fast once, slow now: the last 30 s count
        (sampled((50, 500)), 500, 90, 0),  # nothing came by for 40 s
        (sampled((50, 500)), 500, 55, None),  # too early to say
        (sampled((0, 0)), 4, 10, None),  # below the minimum sample
        (sampled((0, 0), (60, 1), (120, 2), (180, 3), (240, 4)), 5, 300, 5 / 300),  # slow items: a longer window
        (sampled((0, 0), (50, 900), (60, 10)), 60, 70, 5),  # a retry put items back: nothing before it counts
        (sampled((50, 900)), 10, 60, None),  # put back since the last sample
    ],
)
def test_it_measures_the_recent_velocity(
    recent: list[Sample], done: int, active: float, velocity: float | None
) -> None:
    assert recent_pace(running(), recent, done, active).velocity == velocity


def test_it_never_promises_more_than_the_rate_allows() -> None:
    assert recent_pace(running(rate=5.0), sampled((0, 0)), 100, 10).velocity == 5


@pytest.mark.parametrize("status", ["PENDING", "QUEUED", "PAUSING", "PAUSED", "HALTED", "COMPLETED", "CANCELLED"])
def test_it_has_no_eta_unless_it_runs(status: str) -> None:
    batch = running()
    batch.status = status
    assert recent_pace(batch, sampled((0, 0)), 100, 10) == Pace()
    assert eta_of(batch, 50, Pace(100, 10)) is None


@pytest.mark.parametrize(("pace", "eta"), [(Pace(100, 10), 5), (Pace(4, 10), None), (Pace(9, 0), None), (Pace(), None)])
def test_it_has_no_eta_below_the_minimum_sample(pace: Pace, eta: float | None) -> None:
    assert eta_of(running(), 50, pace) == eta


def test_it_looks_back_thirty_seconds() -> None:
    recent = sampled(*((n * 5.0, n * 50) for n in range(100)))
    start = window_start(recent, 5000, 500)
    assert start is not None
    assert start.active_seconds == 470


@pytest.mark.parametrize(
    ("part", "total", "status", "shown"),
    [
        (999, 1000, "RUNNING", 99.9),
        (9999, 10000, "RUNNING", 99.9),
        (1000, 1000, "RUNNING", 100.0),
        (2, 3, "RUNNING", 66.6),
        (0, 0, "QUEUED", 0.0),
        (0, 0, "COMPLETED", 100.0),
    ],
)
def test_it_floors_percentages(part: int, total: int, status: str, shown: float) -> None:
    assert percent(part, total, status) == shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (0.2, "1s"), (59, "59s"), (60, "1m"), (119.6, "2m"), (3599, "1h"), (3900, "1h 5m"), (183_600, "2d 3h")],
)
def test_it_says_times_as_people_do(seconds: float, words: str) -> None:
    assert rough(seconds) == words


def test_it_writes_one_sample_a_slot_however_many_write(engine: None) -> None:
    batch = submitted(modes("ok", "ok"))
    operations.start(batch.pk, actor="ana")
    now = timezone.now()
    Batch.objects.filter(pk=batch.pk).update(status="RUNNING", running_since=now)
    Checkpoint.objects.update_or_create(batch=batch, lane=0, defaults={"saved_at": now, "succeeded": 1})
    batch.refresh_from_db()
    for _ in range(3):
        samples.write_samples([batch], 5_000, now)
    assert [s.done for s in batch.samples.all()] == [1]
    assert samples.take_samples() == 1
    assert samples.take_samples() == 1
    assert 2 <= batch.samples.count() <= 3  # a slot may have ended between the two


def test_it_takes_no_samples_of_what_stands_still(engine: None) -> None:
    ran(modes("ok"))
    progress_tracker.start_batch("by-hand", 10)
    Checkpoint.objects.filter(batch="by-hand").update(saved_at=timezone.now() - timedelta(hours=1))
    assert samples.take_samples() == 0


def test_it_thins_samples_with_age(engine: None) -> None:
    batch = submitted(modes("ok"))
    begin = int((timezone.now() - timedelta(hours=30)).timestamp() * 1000) // 1_800_000 * 1_800_000

    def sample(ms: int) -> Sample:
        at = datetime.fromtimestamp(ms / 1000, UTC)
        return Sample(batch=batch, slot=ms, at=at, done=0, active_seconds=0)

    recently = int((timezone.now() - timedelta(minutes=3)).timestamp() * 1000) // 30_000 * 30_000
    Sample.objects.bulk_create(sample(begin + n * 5_000) for n in range(720))
    Sample.objects.bulk_create(sample(recently + n * 5_000) for n in range(12))
    samples.thin_out()
    assert [s.slot for s in batch.samples.all()] == [
        begin,
        begin + 1_800_000,
        *(recently + n * 5_000 for n in range(12)),
    ]


def test_it_charts_each_stretch_for_itself(engine: None) -> None:
    batch = submitted(modes("ok"))
    stands = [(0, 0.0), (100, 5.0), (100, 5.0), (110, 10.0)]  # 5 s of work, a pause of an hour, 5 s of work
    for n, (done, active) in enumerate(stands):
        at = NOW + timedelta(seconds=n * 5, hours=n // 2)
        slot = int(at.timestamp() * 1000)
        Sample.objects.create(batch=batch, slot=slot, at=at, done=done, active_seconds=active)
    assert [velocity for _, velocity in samples.velocity_points(batch)] == [20.0, 2.0]


def test_it_leaves_pauses_out(engine: None) -> None:
    batch = submitted(modes(*["ok"] * 40))
    operations.start(batch.pk, actor="ana")
    runner.work_slice(batch.pk, should_stop=iter([False] * 3 + [True] * 99).__next__)
    operations.pause(batch.pk, actor="ana")
    runner.work_until_idle(batch.pk)
    paused = progress_tracker.get_progress(batch.pk)
    assert (paused.status, paused.eta_seconds, paused.recent_velocity) == ("PAUSED", None, None)
    Batch.objects.filter(pk=batch.pk).update(started_at=timezone.now() - timedelta(hours=5))
    assert progress_tracker.get_progress(batch.pk).active_seconds == paused.active_seconds


def test_it_begins_a_window_anew_after_a_retry(engine: None) -> None:
    batch = ran(modes("ok", "ok", "error", "error"), max_attempts=1)
    first = batch.samples.count()
    operations.retry(batch.pk, actor="ana", all_failed=True)
    queued = progress_tracker.get_progress(batch.pk)
    assert (queued.remaining, queued.done_percent, queued.finished_at) == (2, 50.0, None)
    runner.work_until_idle(batch.pk)
    assert batch.samples.count() == first + 1
    assert progress_tracker.get_progress(batch.pk).failed == 2


def test_it_completes_an_empty_ad_hoc_batch_at_nothing(engine: None) -> None:
    progress_tracker.start_batch("empty", 0)
    found = progress_tracker.get_progress("empty")
    assert (found.total_items, found.remaining, found.progress_percent, found.eta_seconds) == (0, 0, 0.0, None)


def test_it_grows_with_a_batch_that_had_more_than_was_said(engine: None) -> None:
    progress_tracker.start_batch("grows", 10)
    progress_tracker.increment_completed("grows", 15)
    found = progress_tracker.get_progress("grows")
    assert (found.total_items, found.remaining, found.progress_percent) == (15, 0, 100.0)


def test_it_is_stuck_only_after_a_lease_without_a_worker(engine: None, settings: Any) -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk, actor="ana")
    Batch.objects.filter(pk=batch.pk).update(status="RUNNING", running_since=timezone.now())
    assert not progress_tracker.get_progress(batch.pk).stuck
    long_ago = timezone.now() - timedelta(seconds=2 * settings.PORTAL_LEASE_SECONDS)
    Batch.objects.filter(pk=batch.pk).update(running_since=long_ago)
    assert progress_tracker.get_progress(batch.pk).stuck


def test_it_reads_many_batches_at_the_price_of_one(engine: None, django_assert_max_num_queries: Any) -> None:
    batches = [ran(modes("ok", "error"), max_attempts=1) for _ in range(4)]
    Batch.objects.update(status="RUNNING", running_since=timezone.now())
    with django_assert_max_num_queries(6):
        assert len(progress_tracker.progress_of(list(Batch.objects.filter(pk__in=[b.pk for b in batches])))) == 4
