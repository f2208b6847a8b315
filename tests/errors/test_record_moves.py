"""Records move by pages: lanes record between two of them, counters equal the records after each, and whoever comes
after a worker that was stopped goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from batches import steps
from batches.models import Batch
from errors.filters import scopes
from errors.groups import background, record_moves, regrouping
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, GroupChange, RegroupJob
from tests.helpers.failures import batch_of, fail, failure, raised, report

pytestmark = pytest.mark.usefixtures("engine")
LANES_MEET = pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer")


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Two records a page, every job by a worker; what each page answered. The counters equal the records after each."""
    answers: list[int | None] = []
    monkeypatch.setattr(record_moves, "FEWEST", 2)
    monkeypatch.setattr(record_moves, "MOST", 2)
    monkeypatch.setitem(background.IN_REQUEST_LIMIT, connection.vendor, 0)
    monkeypatch.setattr(background, "enqueue_by_name", lambda *message: None)
    original = record_moves.move_page

    def move_page(*args: Any) -> int | None:
        answers.append(original(*args))
        counters()
        return answers[-1]

    monkeypatch.setattr(record_moves, "move_page", move_page)
    return answers


def group(word: str) -> ErrorGroup:
    return ErrorGroup.objects.get(title=word)


def counters() -> dict[str, tuple[int, int]]:
    """title -> errors and items; they must equal the records."""
    for batch in Batch.objects.all():
        assert list(scopes.failures_have_records(batch)) == []
    rows = BatchGroup.objects.all()
    for row in rows:
        records = ErrorRecord.objects.filter(batch=row.batch_id, group=row.group_id)
        items = len(set(records.values_list("item_key", flat=True)))
        assert (row.errors, row.items) == (records.count(), items)
        assert row.first_seen <= min(records.values_list("finished_at", flat=True))
    return {row.group.title: (row.errors, row.items) for row in rows.select_related("group")}


def five_ants() -> Batch:
    """ant: items 0 to 4, the first twice; bee: item 1 again."""
    batch = batch_of(9)
    for position in range(5):
        fail(batch, position, ValueError("ant"))
    fail(batch, 0, ValueError("ant"), attempt=2)
    fail(batch, 1, ValueError("bee"), attempt=2)
    batch.items.filter(position__lt=2).update(attempts=2)
    batch.items.filter(position__in=(2, 3, 4)).update(attempts=1)
    return batch


def asked_for(verb: str, *words: str) -> int:
    job = background.regroup(verb, *(group(word).pk for word in words), actor="ana")
    assert isinstance(job, RegroupJob)
    return job.pk


def stop_after(pages: int) -> Callable[[], bool]:
    """A `should_stop` that lets so many pages go."""
    left = [pages]

    def should_stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    return should_stop


def test_who_comes_after_a_worker_that_stopped_goes_on(pages: list[int | None]) -> None:
    five_ants()
    job = asked_for("merge", "ant", "bee")
    assert background.run(job, stop_after(1)) is False
    assert counters() == {"ant": (4, 4), "bee": (3, 2)}
    assert RegroupJob.objects.get().state == "waiting"
    assert background.run(job) is False
    assert counters() == {"bee": (7, 5)}
    assert (RegroupJob.objects.get().state, len(pages)) == ("done", 4)
    assert GroupChange.objects.filter(verb="merge").count() == 2


def test_a_job_that_takes_long_queues_up_behind_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    five_ants()
    monkeypatch.setattr(background, "SLICE_SECONDS", 0.0)
    assert background.run(asked_for("merge", "ant", "bee")) is True
    assert counters() == {"ant": (6, 5), "bee": (1, 1)}


def test_failures_count_in_the_new_group_from_the_beginning_on() -> None:
    batch = five_ants()
    background.run(asked_for("merge", "ant", "bee"), stop_after(0))
    fail(batch, 5, ValueError("ant"))
    batch.items.filter(position=5).update(attempts=1)
    assert counters() == {"ant": (6, 5), "bee": (2, 2)}


def test_groups_that_are_merged_further_or_taken_out_meanwhile_lose_nothing() -> None:
    batch = five_ants()
    fail(batch, 5, ValueError("cat"))
    batch.items.filter(position=5).update(attempts=1)
    job = asked_for("merge", "ant", "bee")
    background.run(job, stop_after(1))
    regrouping.merge(group("bee").pk, group("cat").pk)
    assert counters() == {"ant": (4, 4), "cat": (4, 3)}
    background.run(job)
    assert counters() == {"cat": (8, 6)}
    out = asked_for("split", "cat", "ant")
    background.run(out, stop_after(1))
    regrouping.merge(group("ant").pk, group("cat").pk)
    background.run(out)
    assert counters() == {"cat": (8, 6)}
    background.run(asked_for("split", "cat", "ant"))
    assert counters() == {"ant": (6, 5), "cat": (2, 2)}


def test_parts_by_place_are_filled_page_by_page_wherever_they_count() -> None:
    batch = batch_of(6)
    for position in range(4):
        fail(batch, position, raised(ValueError("bad")))
    fail(batch, 4, ValueError("bad"))
    batch.items.filter(position__lt=5).update(attempts=1)
    job = asked_for("split_by_place", "bad")
    background.run(job, stop_after(1))
    assert counters() == {"bad": (3, 3), "bad · tests.helpers.failures.raised": (2, 2)}
    regrouping.merge(group("bad · tests.helpers.failures.raised").pk, group("bad · no traceback").pk)
    background.run(job)
    assert counters() == {"bad · no traceback": (5, 5)}


@LANES_MEET
def test_lanes_record_between_two_pages(pages: list[int | None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane that had to wait for the whole merge would not come back."""
    batch = five_ants()
    batch.items.update(attempts=2)
    job, page = asked_for("merge", "ant", "bee"), record_moves.move_page

    def and_then_a_lane(*args: Any) -> int | None:
        answer = page(*args)
        with ThreadPoolExecutor(1) as lane:
            lane.submit(record, batch, 4 + len(pages)).result(timeout=20)
        return answer

    monkeypatch.setattr(record_moves, "move_page", and_then_a_lane)
    background.run(job)
    assert counters() == {"bee": (7 + len(pages), 5 + len(pages))}


@pytest.mark.parametrize("is_long", [True, False])
def test_others_write_between_pages_that_take_long(
    is_long: bool, pages: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    five_ants()
    monkeypatch.setitem(steps.SECONDS_PER_STEP, connection.vendor, 0 if is_long else 3600)
    rests: list[tuple[bool, int]] = []
    monkeypatch.setattr(steps.Steps, "rest", lambda each: rests.append((connection.in_atomic_block, len(pages))))
    background.run(asked_for("merge", "ant", "bee"))
    assert rests == ([(False, page + 1) for page in range(len(pages))] if is_long else [])
    assert len(pages) > 2


def record(batch: Batch, position: int) -> None:
    try:
        report(batch, [failure(batch, position, ValueError("ant"))])
    finally:
        connection.close()
