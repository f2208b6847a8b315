"""Outcomes of calls that end at the same moment: one commit, and what becomes of a group when that commit does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection, connections

from batches import operations
from batches.engine import external, in_flight_calls, runner
from batches.lanes.outcomes import Claimed, Outcome
from batches.models import Batch, IdempotencyRecord, Item
from tests.helpers import outside
from tests.helpers.batches import statuses

pytestmark = pytest.mark.usefixtures("engine")
ITEMS = 3 * outside.SIDE_BY_SIDE
Groups = list[list[int]]


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> Groups:
    """The positions of every group that was to be recorded; calls that are out side by side end together."""
    finished, record = in_flight_calls.InFlightCalls.finished, external.record
    groups: Groups = []

    def all_finished(calls: in_flight_calls.InFlightCalls, seconds: float) -> list[Outcome]:
        done = finished(calls, seconds)
        while calls.in_flight:
            done.extend(finished(calls, seconds))
        return done

    def recorded(slice_: Any, group: list[Outcome], room: int = 0) -> Any:
        groups.append([outcome.item.position for outcome in group])
        return record(slice_, group, room)

    monkeypatch.setattr(in_flight_calls.InFlightCalls, "finished", all_finished)
    monkeypatch.setattr(external, "record", recorded)
    return groups


def started(tmp_path: Path, *modes: str, **options: Any) -> Batch:
    items = [{"mode": mode, "log": str(tmp_path / "calls.log"), "n": n} for n, mode in enumerate(modes)]
    batch = operations.submit(processor="outside.call", items=items, batch_id="outside", actor="ana", **options).batch
    operations.start(batch.pk)
    return batch


def called(tmp_path: Path) -> list[int]:
    return sorted(int(line.split()[0]) for line in (tmp_path / "calls.log").read_text().splitlines())


def losing(monkeypatch: pytest.MonkeyPatch, lose: Callable[[Callable[[], None]], None]) -> None:
    """`lose` stands in for the commit of the first group."""
    record, lost = external.record, [False]

    def recorded(slice_: Any, group: list[Outcome], room: int = 0) -> Any:
        real = connections["default"]
        commit = real._commit
        if not lost[0]:
            lost[0] = True
            real._commit = lambda: lose(commit)
        try:
            return record(slice_, group, room)
        finally:
            real._commit = commit

    monkeypatch.setattr(external, "record", recorded)


def fail(commit: Callable[[], None]) -> None:
    connection.connection.rollback()
    raise OperationalError("disk I/O error")


def lose_reply(commit: Callable[[], None]) -> None:
    commit()
    raise OperationalError("server closed the connection unexpectedly")


def test_it_records_in_one_commit_what_ends_together(tmp_path: Path, groups: Groups) -> None:
    batch = started(tmp_path, *["ok"] * ITEMS)
    runner.work_until_idle(batch.pk)
    assert [len(group) for group in groups] == [outside.SIDE_BY_SIDE] * 3
    assert called(tmp_path) == list(range(ITEMS))
    assert operations.verify(batch.pk) == []


def test_it_records_successes_and_failures_together(tmp_path: Path, groups: Groups) -> None:
    batch = started(tmp_path, "ok", "exit", "skip", "ok")
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED", "FAILED", "SKIPPED", "SUCCEEDED"]
    assert not IdempotencyRecord.objects.filter(state="IN_PROGRESS").exists()
    assert operations.verify(batch.pk) == []


@pytest.mark.parametrize("lose", [fail, lose_reply])
def test_it_repeats_no_call_of_a_group_whose_commit_is_lost(
    tmp_path: Path, groups: Groups, lose: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = started(tmp_path, *["ok"] * ITEMS)
    losing(monkeypatch, lose)
    runner.work_until_idle(batch.pk)
    assert called(tmp_path) == list(range(ITEMS))
    assert set(statuses(batch)) == {"SUCCEEDED"}
    assert operations.verify(batch.pk) == []


def test_an_outcome_that_is_refused_takes_no_other_with_it(
    tmp_path: Path, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = started(tmp_path, *["ok"] * ITEMS)
    record_outcomes = external.record_outcomes

    def refusing(slice_: Any, group: list[Outcome]) -> Any:
        if any(outcome.item.position == 2 and outcome.status == "SUCCEEDED" for outcome in group):
            raise DataError("invalid value")
        return record_outcomes(slice_, group)

    monkeypatch.setattr(external, "record_outcomes", refusing)
    runner.work_until_idle(batch.pk)
    assert called(tmp_path) == list(range(ITEMS))
    assert [n for n, status in enumerate(statuses(batch)) if status != "SUCCEEDED"] == [2]
    assert operations.verify(batch.pk) == []


def test_it_begins_no_call_in_the_place_of_one_that_is_not_recorded(
    tmp_path: Path, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = started(tmp_path, *["ok"] * ITEMS)
    begin, unrecorded = external.begin_calls, []

    def counting(slice_: Any, calls: Any, done: Any) -> bool:
        more = begin(slice_, calls, done)
        unrecorded.append(len(calls.in_flight) + len(done))
        return more

    monkeypatch.setattr(external, "begin_calls", counting)
    losing(monkeypatch, fail)
    runner.work_until_idle(batch.pk)
    assert max(unrecorded) == outside.SIDE_BY_SIDE
    assert called(tmp_path) == list(range(ITEMS))


def test_it_claims_the_next_calls_in_the_commit_that_records_and_marks_no_others(
    tmp_path: Path, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = started(tmp_path, *["ok"] * ITEMS)
    begin, begun, marks = in_flight_calls.InFlightCalls.begin, set[int](), list[int]()

    def begin_noted(calls: in_flight_calls.InFlightCalls, item: Claimed) -> None:
        begun.add(item.id)
        begin(calls, item)

    def after_commit() -> None:
        if len(marks) < len(groups):
            marked = set(Item.objects.filter(claimed_at__isnull=False).values_list("pk", flat=True))
            assert marked <= begun
            marks.append(len(marked))

    monkeypatch.setattr(in_flight_calls.InFlightCalls, "begin", begin_noted)
    runner.work_until_idle(batch.pk, on_chunk=after_commit)
    assert marks == [outside.SIDE_BY_SIDE, outside.SIDE_BY_SIDE, 0]


def test_it_claims_no_call_beside_a_failure_that_halts_the_batch(tmp_path: Path, groups: Groups) -> None:
    batch = started(tmp_path, "ok", "exit", *["ok"] * ITEMS, max_errors=0)
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    assert batch.status == "HALTED"
    assert called(tmp_path) == list(range(outside.SIDE_BY_SIDE))
