"""What monitoring systems are told: the counts of the database, whoever counted them, and nothing to strangers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from batches import metrics, operations
from batches.engine import runner
from batches.lanes import counters, leases
from batches.models import Batch, Checkpoint, Item, Tally, Worker
from tests.helpers import outside  # noqa: F401 - registers its processors
from tests.helpers.batches import modes, ran, submitted
from tests.helpers.people import browser, client

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


@pytest.fixture(autouse=True)
def fresh(engine: None) -> None:
    counters.flush()
    Tally.objects.all().delete()


def scraped() -> dict[str, float]:
    """Values by name and labels, as Prometheus reads them."""
    answer = client("viewer").get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        f"{sample.name.removeprefix('batchportal_')}{sorted(sample.labels.values()) or ''}": sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("role", "code"), [("anonymous", 401), ("charlie", 403), ("viewer", 200), ("operator", 200), ("admin", 200)]
)
def test_it_tells_only_those_who_may_see_batches(role: str, code: int) -> None:
    answer = client(role).get("/metrics")
    assert answer.status_code == code
    assert (b"batchportal_" in answer.content) == (code == 200)
    if role != "anonymous":
        assert browser(role).get("/metrics").status_code == code
    assert client("admin").post("/metrics").status_code == 405


def test_it_counts_items_by_state_and_processor() -> None:
    ran(modes("ok", "ok", "skip", "error"), max_attempts=1)
    operations.start(submitted(modes("ok", "ok", "ok")).pk)
    found = scraped()
    states = {name: found[f"items_total{sorted((name, 'test.do'))}"] for name in metrics.STATES}
    assert states == {"succeeded": 2, "failed": 1, "skipped": 1, "quarantined": 0, "pending": 3}
    assert (found["queue_depth"], found["quarantined_total"]) == (3, 0)
    assert (found["batches['completed']"], found["batches['queued']"], found["batches['failed']"]) == (1, 1, 0)


def test_it_measures_items_chunks_and_pauses() -> None:
    batch = submitted(modes(*["ok"] * 25))
    operations.start(batch.pk)
    runner.work_slice(batch.pk, should_stop=iter([False] * 3 + [True] * 99).__next__)
    operations.pause(batch.pk)
    runner.work_until_idle(batch.pk)
    Batch.objects.filter(pk=batch.pk).update(status="PAUSED")
    operations.resume(batch.pk)
    runner.work_until_idle(batch.pk)
    found = scraped()
    assert found["item_seconds_count['test.do']"] == 25
    assert found["item_seconds_bucket['+Inf', 'test.do']"] == 25
    assert found["chunk_commit_seconds_count['test.do']"] >= 3
    assert found["item_seconds_sum['test.do']"] >= 0


def test_it_measures_how_long_a_pause_took() -> None:
    batch = submitted(modes(*["ok"] * 5))
    operations.start(batch.pk)
    lease = leases.take(batch)
    assert lease is not None
    Batch.objects.filter(pk=batch.pk).update(status="RUNNING", running_since=timezone.now())
    operations.pause(batch.pk)
    leases.release(lease)
    runner.work_until_idle(batch.pk)
    assert Batch.objects.get(pk=batch.pk).status == "PAUSED"
    counters.flush()
    assert scraped()["pause_latency_seconds_count['pause']"] == 1


def test_it_counts_a_dead_worker_and_the_unclean_take_over_after_it() -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk)
    assert leases.take(batch) is not None
    long_ago = timezone.now() - timedelta(seconds=1)
    Checkpoint.objects.update(worker="elsewhere:1:1", lease_expires_at=long_ago)
    runner.work_until_idle(batch.pk)
    found = scraped()
    assert found["worker_deaths_total['lease']"] == 1
    assert (found["lease_takeovers_total['clean']"], found["lease_takeovers_total['unclean']"]) == (1, 1)
    assert found["fence_rejections_total"] == 0


def test_it_counts_chunks_that_end_early_and_calls_of_which_a_person_is_asked(tmp_path: Path) -> None:
    looks = iter(range(1_000))
    batch = submitted(modes("ok", "ok", "ok"))
    operations.start(batch.pk)
    runner.work_slice(batch.pk, should_stop=lambda: next(looks) > 0)
    runner.work_until_idle(batch.pk)
    items = [{"log": str(tmp_path / "log")}]
    lost = operations.submit(processor="outside.ask", items=items, batch_id="lost").batch
    operations.start(lost.pk)
    lease = leases.take(lost)
    assert lease is not None
    Item.objects.filter(batch=lost).update(status="RUNNING", lane=lease.lane, claimed_at=timezone.now())
    leases.release(lease)
    counters.flush()
    found = scraped()
    assert (found["partial_chunks_total"], found["unknown_outcomes_total"]) == (1, 1)
    assert found["external_repeats_total"] == 0


def test_it_says_that_nobody_works_and_since_when() -> None:
    waiting, standing = submitted(modes("ok")), submitted(modes("ok"))
    operations.start(waiting.pk)
    waiting.transitions.update(at=timezone.now() - timedelta(minutes=7))
    Batch.objects.filter(pk=standing.pk).update(
        status="RUNNING",
        created_at=timezone.now() - timedelta(hours=1),
        running_since=timezone.now() - timedelta(minutes=9),
    )
    Tally.objects.create(name="heartbeat", labels="host-1", at=timezone.now() - timedelta(minutes=5))
    found = scraped()
    assert 420 <= found["oldest_pending_seconds"] < 480
    assert 540 <= found["stalled_seconds"] < 600
    assert found["batches_stuck"] == 1
    assert 300 <= found["worker_heartbeat_seconds['host-1']"] < 360


def test_it_adds_what_several_processes_counted(monkeypatch: Any) -> None:
    for _ in range(2):
        counters.add("idem_hits", by=2)
        counters.flush()
    counters.add("idem_hits")
    monkeypatch.setattr(counters, "_owner", -1)  # as after a fork: the parent flushes its own
    counters.add("idem_hits", by=10)
    counters.flush()
    assert scraped()["idem_hits_total"] == 14


def test_it_asks_the_database_as_much_for_many_items_as_for_few(django_assert_max_num_queries: Any) -> None:
    ran(modes("ok"))
    with django_assert_max_num_queries(20) as few:
        metrics.exposition()
    ran(modes(*["ok"] * 50))
    operations.start(submitted(modes(*["ok"] * 50)).pk)
    with django_assert_max_num_queries(len(few)):
        metrics.exposition()
    assert not any('FROM "batches_item"' in query["sql"] for query in few)


def test_it_tells_everybody_that_it_is_ready_and_details_to_those_who_may_see() -> None:
    Tally.objects.create(name="heartbeat", labels="host-1", at=timezone.now())
    Worker.objects.create(name="host-1:x:1:1", host="host-1", started_at=timezone.now(), heard_at=timezone.now())
    for stranger in (client("anonymous"), client("charlie"), browser("charlie")):
        answer = stranger.get("/readyz")
        assert (answer.status_code, answer.content) == (200, b"ready")
    stranger.credentials(HTTP_AUTHORIZATION="Token nonsense")
    assert stranger.get("/readyz").content == b"ready"
    for visitor in (client("viewer"), browser("viewer"), client("admin")):
        told = visitor.get("/readyz").json()
        assert (told["status"], told["database"], told["layer"]) == ("ready", connection.vendor, "embedded")
        assert told["workers"][0]["host"] == "host-1"
    Worker.objects.update(heard_at=timezone.now() - timedelta(seconds=10))
    answer = client("anonymous").get("/readyz")
    assert (answer.status_code, answer.content) == (200, b"degraded: no worker")


def test_it_is_not_ready_before_its_migrations_are_applied(monkeypatch: Any) -> None:
    from batchportal import health

    monkeypatch.setattr(health, "unapplied", lambda: ["batches.0002_more"])
    answer = client("anonymous").get("/readyz/")
    assert (answer.status_code, answer.content) == (503, b"migrations missing")
    assert client("viewer").get("/readyz").json()["unapplied_migrations"] == ["batches.0002_more"]
    assert client("anonymous").get("/healthz").content == b"ok"


def test_it_is_not_ready_where_pages_cannot_be_drawn(settings: Any, monkeypatch: Any, tmp_path: Path) -> None:
    from batchportal import health

    monkeypatch.setattr(health, "_drawable", [])
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    answer = client("anonymous").get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"cannot draw pages: no admin/batches/batch/batch.html")
    assert client("viewer").get("/readyz").json()["status"].startswith("cannot draw pages")
