"""Findings of a stored batch: looked for once, and again when there is more to see."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.models import Batch, Item, Tenure, Transition
from errors import error_analyzer, tasks
from errors.desk.finding_cards import chance_text, p_text
from errors.detectors import Stream, Summary
from errors.detectors.attributes import attributes
from errors.detectors.columns import table_of
from errors.detectors.conditions import flat, slim
from errors.detectors.runs import LIKE_CHANCE, long_runs
from errors.exports.request import ExportRequest
from errors.findings import LOOK_INTERVAL, findings_of, looked_at, looks, scatter_beside
from errors.findings.batch_summary import sample_positions, summary_of
from errors.models import Findings
from errors.receivers import batch_transitioned
from tests.helpers.failures import batch_of, failure, report
from tests.helpers.people import client

pytestmark = [pytest.mark.django_db, pytest.mark.full_on("postgresql")]


def run(size: int, failed: list[int], done: int | None = None, secret: str = "") -> Batch:
    """A batch whose first `done` items have an outcome."""
    done = size if done is None else done
    batch = batch_of(size)
    german, now = batch.items.filter(position__in=range(0, size, 20)), timezone.now()
    batch.items.update(payload={"country": "FR"} | ({secret: False} if secret else {}))
    german.update(payload={"country": "DE"} | ({secret: True} if secret else {}))
    batch.items.filter(position__lt=done).update(status=Item.Status.SUCCEEDED, finished_at=now, failed_at=None)
    failures = batch.items.filter(position__in=[n for n in failed if n < done])
    failures.update(status=Item.Status.FAILED, failed_at=now)
    report(batch, [failure(batch, n, ValueError("bad country")) for n in failed])
    if done == size:
        batch.finished_at = timezone.now()
        batch.save()
    return batch


GERMAN = list(range(0, 400, 20))


def test_it_names_the_cause_in_the_report() -> None:
    run(400, GERMAN)
    (found,) = error_analyzer.aggregate_errors("b1").findings
    assert (found["text"], found["failed"], found["size"]) == ("country = DE", 20, 20)
    assert "20 of the 20 items" in found["sentence"]
    assert found["confidence"] == "strong"


def test_it_looks_once() -> None:
    batch = run(400, GERMAN)
    first = findings_of(batch)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert findings_of(batch) == first
    assert len(queries) == 2
    assert Findings.objects.get(batch=batch).looks == 1


def test_it_looks_again_when_more_failed_after_the_end() -> None:
    batch = run(400, GERMAN)
    findings_of(batch)
    report(batch, [failure(batch, 0, ValueError("bad country"), attempt=2)])
    findings_of(batch)
    assert Findings.objects.get(batch=batch).looks == 2


def test_it_sees_every_item_that_has_an_outcome_and_no_other() -> None:
    batch = run(400, GERMAN[:10], done=200)
    summary = summary_of(batch, peek=1)
    assert (summary.total, len(summary.rows)) == (200, 200)
    assert [found["size"] for found in findings_of(batch)] == [10]


@pytest.mark.parametrize("waiting", [13, 399, 150])
def test_an_item_that_waits_hides_nothing(waiting: int) -> None:
    batch = run(400, GERMAN)
    batch.items.filter(position=waiting).update(status="PENDING", failed_at=None)
    Batch.objects.update(finished_at=None, status="RUNNING")
    (found,) = findings_of(Batch.objects.get())
    assert (found["text"], found["failed"], found["size"], found["looked_at"]) == ("country = DE", 20, 20, 399)
    assert looked_at(batch).text == "Looked at 399 of 400 items."
    assert client("viewer").get("/api/batches/b1/errors").json()["looked_at"] == 399


def test_it_denies_no_pattern_over_a_part() -> None:
    failed = sorted(random.Random(5).sample(range(400), 60))
    summary = Summary(400, [Stream("any", failed)])
    assert scatter_beside([], summary, is_part=True) == ""


def test_it_looks_at_a_running_batch_now_and_then() -> None:
    batch = run(400, GERMAN[:10], done=200)
    findings_of(batch)
    report(batch, [failure(batch, n, ValueError("bad country"), attempt=2) for n in GERMAN[:10]])
    findings_of(batch)
    assert Findings.objects.get(batch=batch).looks == 1
    Findings.objects.update(at=timezone.now() - LOOK_INTERVAL)
    findings_of(batch)
    assert Findings.objects.get(batch=batch).looks == 2


def test_it_says_nothing_of_a_handful() -> None:
    assert findings_of(run(400, GERMAN[:4])) == []


def test_it_shows_no_secret() -> None:
    batch = run(400, GERMAN, secret="password")
    assert "password = " not in str(findings_of(batch))


def test_it_draws_the_same_items_at_every_look() -> None:
    assert sample_positions("b1", range(20_000)) is None
    all_items = range(50_000)
    assert sample_positions("b1", all_items) == sample_positions("b1", all_items) != sample_positions("b2", all_items)


def test_it_answers_over_rest() -> None:
    run(400, GERMAN)
    (found,) = client("viewer").get("/api/batches/b1/errors/findings").json()
    assert found["text"] == "country = DE"


def test_it_keeps_outsiders_out() -> None:
    run(10, [1])
    assert client("nobody").get("/api/batches/b1/errors/findings").status_code == 403
    assert client("viewer").get("/api/batches/none/errors/findings").status_code == 404


def tried_by(batch: Batch, hosts: dict[int, str]) -> None:
    """Two lanes, each held by a worker of its own since the batch began."""
    began = timezone.now() - timedelta(hours=1)
    for lane, host in hosts.items():
        Tenure.objects.create(batch=batch, lane=lane, worker=f"{host}:1:1", since=began)


def test_it_names_the_host_on_which_items_fail() -> None:
    batch = batch_of(200)
    chosen = random.Random(5)
    lanes = [chosen.randrange(2) for _ in range(200)]
    failed = [n for n in range(200) if lanes[n] and chosen.random() < 0.5]
    tried_by(batch, {0: "left", 1: "right"})
    now = timezone.now()
    for item in batch.items.all():
        bad = item.position in failed
        known = {"status": "FAILED" if bad else "SUCCEEDED", "failed_at": now if bad else None}
        batch.items.filter(pk=item.pk).update(
            lane=lanes[item.position], started_at=now, finished_at=now, attempts=1, **known
        )
    report(batch, [failure(batch, n, OSError("disk"), worker="right:1:1", started_at=now, at=now) for n in failed])
    Batch.objects.update(finished_at=now)
    found, *chance = findings_of(Batch.objects.get())
    assert {one["confidence"] for one in chance} <= {"chance"}
    assert found["where"]["fields"] == ["attempt's host"]
    assert f"{len(failed)} of the {sum(lanes)} items with attempt's host = right failed" in found["sentence"]
    assert found["also"] == ["attempt's worker = right:1:1"]


def test_a_host_known_of_the_failures_alone_explains_nothing() -> None:
    batch, now = batch_of(200), timezone.now()
    for item in batch.items.all():
        bad = item.position % 9 == 4
        known = {"status": "FAILED" if bad else "SUCCEEDED", "failed_at": now if bad else None}
        batch.items.filter(pk=item.pk).update(started_at=now, finished_at=now, attempts=1, **known)
    report(
        batch,
        [failure(batch, n, OSError("disk"), worker="right:1:1", started_at=now, at=now) for n in range(4, 200, 9)],
    )
    Batch.objects.update(finished_at=now)
    found = findings_of(Batch.objects.get())
    assert [one["text"] for one in found if one["confidence"] != "chance"] == ["every 9th item, from 4"]
    assert "host" not in str(found)
    assert "worker" not in str(found)


def test_it_tries_page_sizes_that_are_usual_whatever_the_chunk() -> None:
    run(1000, list(range(99, 1000, 100)))
    (found,) = findings_of(Batch.objects.get())
    assert "every 100th item, the last of each 100" in (found["text"], *found["also"])


def test_a_retry_on_one_host_explains_nothing() -> None:
    """Only what failed was tried again: the host of that says nothing about why."""
    batch = batch_of(200)
    tried_by(batch, {0: "left", 1: "right"})
    now = timezone.now()
    failed = random.Random(6).sample(range(200), 30)
    batch.items.update(status="SUCCEEDED", started_at=now, finished_at=now, attempts=1, lane=F("position") % 2)
    both = [("left:1:1", "right:1:1")[n % 2] for n in failed]
    report(
        batch,
        [
            failure(batch, n, OSError("disk"), worker=who, started_at=now, at=now)
            for n, who in zip(failed, both, strict=True)
        ],
    )
    again = batch.items.filter(position__in=failed)
    again.update(status="FAILED", failed_at=now, attempts=2, lane=0, finished_at=now + timedelta(minutes=1))
    report(batch, [failure(batch, n, OSError("disk"), 2, worker="left:1:1", at=now) for n in failed])
    Batch.objects.update(finished_at=now)
    assert [one for one in findings_of(Batch.objects.get()) if one["confidence"] != "chance"] == []


def test_it_says_whether_failures_clump() -> None:
    summary = Summary(400, [Stream("any", list(range(100, 130)))])
    assert scatter_beside([], summary, is_part=False) == "Failures lie together more than chance would put them."
    assert scatter_beside(long_runs(summary), summary, is_part=False) == ""
    run(400, list(range(100, 130)))
    report = error_analyzer.aggregate_errors("b1")
    assert (len(report.findings), report.scatter) == (1, "")


def test_it_holds_no_more_of_a_payload_than_it_can_speak_of() -> None:
    wide = {"a": "x" * 10_000, "b": list(range(10_000)), "c": {"d": {"e": {"f": 1}}}}
    held = slim(wide | {str(n): n for n in range(10_000)})
    assert (len(held), len(held["a"]), len(held["b"])) == (500, 500, 500)
    assert list(flat(held))[2] == ("c.d.e", ("object", 1))
    assert table_of({0: held}).columns.keys() == dict(flat(held)).keys()


def test_a_large_batch_is_looked_at_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.findings.IN_PAGE_LIMIT", 300)
    told: list[str] = []
    monkeypatch.setattr(looks, "enqueue_by_name", lambda name, pk: told.append(pk))
    batch = run(400, GERMAN)
    batch_transitioned(Transition(batch_id="b1", from_status="RUNNING", to_status="COMPLETED"))
    assert told == ["b1"]
    tasks.sweep()
    assert told == ["b1", "b1"]
    monkeypatch.setattr("errors.exports.envelope.IN_PAGE_LIMIT", 300)
    assert not ExportRequest(batch).exporter().envelope()["findings"]
    assert not Findings.objects.exists()
    tasks.look("b1")
    tasks.sweep()
    assert told == ["b1", "b1"]
    assert ExportRequest(batch).exporter().envelope()["findings"] == Findings.objects.get(batch=batch).findings != []


def test_it_says_nothing_of_chance_beside_a_pattern() -> None:
    failed = sorted(random.Random(5).sample(range(400), 60))
    summary = Summary(400, [Stream("any", failed)], rows={n: {"red": n in failed} for n in range(400)})
    assert scatter_beside([], summary, is_part=False) == LIKE_CHANCE
    assert scatter_beside(attributes(summary), summary, is_part=False) == ""


def test_calls_that_time_out_are_no_cluster_at_the_end() -> None:
    """Sixteen calls side by side: what hangs at random ends after everything else."""
    batch, began = batch_of(400, status=Batch.Status.COMPLETED), timezone.now()
    hangs = sorted(random.Random(4).sample(range(400), 36))
    for item in batch.items.all():
        start, bad = began + timedelta(seconds=item.position / 8), item.position in hangs
        over = start + timedelta(seconds=60 if bad else 2)
        state = {"status": "FAILED" if bad else "SUCCEEDED", "failed_at": over if bad else None}
        batch.items.filter(pk=item.pk).update(started_at=start, finished_at=over, attempts=1, **state)
    failures = [(n, began + timedelta(seconds=n / 8)) for n in hangs]
    report(
        batch,
        [
            failure(batch, n, TimeoutError("no answer"), started_at=at, at=at + timedelta(seconds=60))
            for n, at in failures
        ],
    )
    assert summary_of(batch).order is None
    assert [finding for finding in findings_of(batch) if finding["confidence"] != "chance"] == []


def test_the_remainder_of_groups_beyond_the_cap_is_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins late in every batch."""
    monkeypatch.setattr("errors.grouping.group_counters.MAX_TEMPLATES", 3)
    batch = batch_of(100, status=Batch.Status.COMPLETED)
    names = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"]
    report(batch, [failure(batch, n, ValueError(f"no such '{names[min(n, 5)]}'")) for n in range(40)])
    batch.items.update(status="FAILED", failed_at=timezone.now())
    assert {stream.name for stream in summary_of(batch).streams} == {"any"}


def test_it_says_how_often_chance_alone_would_do_as_much() -> None:
    assert chance_text(1.04e-4, {"fields_tried": 14}) == "about 1 in 10,000, after looking at 14 fields"
    assert chance_text(0.004, {}) == "about 1 in 200"
    assert chance_text(1e-40, {}) == "less than 1 in 1,000,000,000"


def test_it_names_no_probability_below_what_a_number_can_tell() -> None:
    assert [p_text(p) for p in (0.04, 1e-9, 0.0)] == ["0.04", "1e-9", "less than 1e-300"]
