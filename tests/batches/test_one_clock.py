"""A worker whose machine's clock is wrong works as fast, and as soon, as the others: the database's clock counts."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Any

import django.utils.timezone
import pytest
from django.db import connection

from batches import clock, operations, progress_tracker
from batches.engine import runner, slices, statements
from batches.engine.pacing import Pacer
from batches.lifecycle import samples
from batches.models import Batch, Checkpoint, Item, Sample
from tests.helpers.batches import modes, statuses, submitted

pytestmark = pytest.mark.usefixtures("engine")
WRONG_BY = [timedelta(seconds=-90), timedelta(seconds=90)]


@pytest.fixture(params=WRONG_BY, ids=["behind", "ahead"], autouse=True)
def wrong_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock, but not the database's, is wrong."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has only the machine's clock")
    right, right_now = datetime, django.utils.timezone.now

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return right.now(tz) + request.param

    monkeypatch.setattr(django.utils.timezone, "now", lambda: right_now() + request.param)
    for module in (statements, clock):
        monkeypatch.setattr(module, "datetime", Wrong)


def running(**more: Any) -> tuple[Batch, Any]:
    batch = operations.start(submitted(modes(*["ok"] * 20), **more).pk)
    lease = slices.take_lane(batch, 0)
    return operations.get_batch(batch.pk), lease


def test_it_owes_the_rate_no_more_than_an_item() -> None:
    batch, lease = running(rate=50)
    Checkpoint.objects.filter(batch=batch).update(saved_at=clock.now_sql())
    assert Pacer(batch, lease)._owed() <= 1 / 50


def test_it_takes_a_retry_when_it_is_due_and_no_sooner() -> None:
    batch, lease = running()
    Item.objects.filter(batch=batch, position=0).update(available_at=clock.now_sql() - timedelta(seconds=1))
    Item.objects.filter(batch=batch, position=1).update(available_at=clock.now_sql() + timedelta(seconds=60))
    assert [item.position for item in statements.claim_due(lease, 5).items] == [0]


def test_it_counts_active_time_and_progress_of_whoever_began() -> None:
    batch, _ = running()
    Batch.objects.filter(pk=batch.pk).update(running_since=clock.now_sql() - timedelta(seconds=10))
    Checkpoint.objects.filter(batch=batch).update(succeeded=10, saved_at=clock.now_sql())
    Sample.objects.all().delete()  # that of its beginning
    batch.refresh_from_db()
    progress = progress_tracker.get_progress(batch.pk)
    assert 10 <= progress.active_seconds < 60
    assert not progress.stuck
    samples.take_samples()
    assert 10 <= batch.samples.last().active_seconds < 60  # type: ignore[union-attr]


def test_it_ends_as_it_should() -> None:
    batch = operations.start(submitted(modes("ok", "ok")).pk)
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"] * 2
    ended = operations.get_batch(batch.pk)
    assert 0 <= ended.active_seconds < 60
