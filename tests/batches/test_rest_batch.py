"""GET below /api/batches/{id}: the batch, its progress and its checkpoint."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import operations, progress_tracker
from batches.models import Sample
from batches.rest import checkpoint_overview
from tests.helpers.check_rows import BAD, GOOD, committed, finished, submitted
from tests.helpers.people import client

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


@committed
def test_it_shows_a_batch() -> None:
    finished()
    batch = client("viewer").get("/api/batches/b1").json()
    assert (batch["status"], batch["outcome"], batch["legal_verbs"]) == ("COMPLETED", "with_errors", ["retry"])
    assert batch["sentence"] == "Every item has its outcome."


@committed
def test_it_sends_the_progress_that_every_door_sends() -> None:
    batch = finished()
    said = client("viewer").get("/api/batches/b1/progress").json()
    known = progress_tracker.progress_of([batch])["b1"].to_dict()
    assert {name: said[name] for name in known} == known


@committed
def test_it_shows_the_checkpoint() -> None:
    finished(items=(GOOD, BAD, GOOD))
    checkpoint = client("viewer").get("/api/batches/b1/checkpoint").json()
    assert checkpoint["current_item_index"] == 3
    assert checkpoint["completed_items"] == ["1", "3"]
    assert [(failed["item"], failed["index"]) for failed in checkpoint["failed_items"]] == [("2", 1)]
    assert (checkpoint["completed_count"], checkpoint["failed_count"], checkpoint["truncated"]) == (2, 1, False)


def test_it_shows_a_checkpoint_before_the_first_chunk() -> None:
    submitted()
    checkpoint = client("viewer").get("/api/batches/b1/checkpoint").json()
    assert (checkpoint["current_item_index"], checkpoint["timestamp"]) == (0, None)


@committed
def test_it_cuts_a_long_checkpoint_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_overview, "LISTED", 2)
    finished(items=(GOOD, GOOD, GOOD))
    checkpoint = client("viewer").get("/api/batches/b1/checkpoint").json()
    assert checkpoint["completed_items"] == ["1", "2"]
    assert (checkpoint["completed_count"], checkpoint["truncated"]) == (3, True)


@committed
def test_it_reads_no_more_of_a_failed_item_than_it_shows_and_copies_nothing() -> None:
    batch = finished(items=(GOOD, BAD))
    with CaptureQueriesContext(connection) as statements:
        shown = checkpoint_overview.overview(batch)
    (of_failed,) = (each["sql"] for each in statements if '"failed_at" IS NOT NULL' in each["sql"])
    assert '"message"' in of_failed
    assert '"result"' not in of_failed
    assert shown.to_dict()["failed_items"] is shown.failed_items


@committed
def test_it_shows_no_secret() -> None:
    row = {"a": "canary-plain", "Api-Key": "canary-one", "deep": [{"password": "canary-two"}]}
    finished(items=(row,))
    viewer = client("viewer")
    pages = ("", "/items", "/checkpoint", "/errors", "/errors/records", "/progress", "/transitions")
    said = "".join(viewer.get(f"/api/batches/b1{page}").content.decode() for page in pages)
    assert "canary-plain" in said
    assert "canary-one" not in said
    assert "canary-two" not in said


def test_it_shows_an_ad_hoc_batch() -> None:
    progress_tracker.start_batch("by-hand", total_items=4)
    progress_tracker.increment_completed("by-hand")
    viewer = client("viewer")
    assert viewer.get("/api/batches/by-hand/progress").json()["progress_percent"] == 25.0
    assert viewer.get("/api/batches/by-hand").json()["legal_verbs"] == operations.legal_verbs(
        operations.get_batch("by-hand")
    )


@pytest.mark.any_database
def test_it_writes_the_times_of_the_chart_as_all_others() -> None:
    progress_tracker.start_batch("by-hand", total_items=4)
    batch, at = operations.get_batch("by-hand"), datetime(2026, 11, 23, 12, tzinfo=UTC)
    for n in range(2):
        moment = at + timedelta(seconds=10 * n)
        Sample.objects.create(batch=batch, slot=n, at=moment, done=20 * n, active_seconds=10 * n)
    batch.samples.exclude(slot__lt=2).delete()
    operations.pause("by-hand")
    chart = client("viewer").get("/api/batches/by-hand/velocity").json()
    assert chart["points"] == [["2026-11-23T12:00:10Z", 2.0]]
    ((since, until),) = chart["pauses"]
    assert since.endswith("Z")
    assert until is None


@pytest.mark.parametrize(
    "batch_id", ["nope", "..", "a%00b", "%F0%9F%92%A5", "x" * 300, "-1", "b1;drop", "B1", "%2e%2e%2fb1"]
)
@pytest.mark.parametrize(
    "page", ["", "/progress", "/checkpoint", "/items", "/transitions", "/errors", "/errors/records"]
)
@pytest.mark.full
def test_it_knows_no_other_batch(batch_id: str, page: str) -> None:
    submitted()
    answer = client("viewer").get(f"/api/batches/{batch_id}{page}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
