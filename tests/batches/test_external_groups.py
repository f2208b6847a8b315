"""Outcomes of calls that end at the same moment: one commit, and what becomes of a group when that commit does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection

from batches import clock, operations
from batches.engine import external, in_flight_calls, runner
from batches.lanes import leases
from batches.lanes.outcomes import Claimed, Outcome
from batches.lifecycle import milestones
from batches.models import Batch, Checkpoint, IdempotencyRecord, Item
from tests.helpers import commits, outside
from tests.helpers.batches import statuses

pytestmark = pytest.mark.usefixtures("engine")
ITEMS = 3 * outside.SIDE_BY_SIDE
Groups = list[list[int]]


@pytest.fixture(params=["at milestones", "between milestones"])
def groups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Groups:
    """The positions of every group that was to be recorded; calls that are out side by side end together. Each commit
    of so short a batch reaches a milestone; between two of them, PostgreSQL records and claims by one statement."""
    if request.param == "between milestones":
        if connection.vendor != "postgresql":
            pytest.skip("SQLite commits a transaction")
        monkeypatch.setattr(milestones, "next_milestone", lambda reached: math.inf)
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
        if lost[0]:
            return record(slice_, group, room)
        lost[0] = True
        with commits.around(lose):
            return record(slice_, group, room)

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

    def refuse(function: Callable[..., Any]) -> Callable[..., Any]:
        def refusing(slice_: Any, group: list[Outcome], *room: int) -> Any:
            if any(outcome.item.position == 2 and outcome.status == "SUCCEEDED" for outcome in group):
                raise DataError("invalid value")
            return function(slice_, group, *room)

        return refusing

    for name in ("record_outcomes", "record_and_claim"):
        monkeypatch.setattr(external, name, refuse(getattr(external, name)))
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


def test_it_records_between_milestones_without_a_transaction(
    tmp_path: Path, groups: Groups, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = started(tmp_path, *["ok"] * ITEMS)
    record_outcomes, transactions = external.record_outcomes, list[int]()

    def counted(slice_: Any, group: list[Outcome]) -> Any:
        transactions.append(len(group))
        return record_outcomes(slice_, group)

    monkeypatch.setattr(external, "record_outcomes", counted)
    runner.work_until_idle(batch.pk)
    assert len(transactions) == (3 if request.node.callspec.params["groups"] == "at milestones" else 0)


def before_recording(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Somebody acts while the outcomes of the first group are there and not recorded yet."""
    record, acted = external.record, [False]

    def recorded(slice_: Any, group: list[Outcome], room: int = 0) -> Any:
        if not acted[0]:
            acted[0] = True
            act()
        return record(slice_, group, room)

    monkeypatch.setattr(external, "record", recorded)


def test_it_records_no_outcome_of_an_item_that_was_given_another_status(
    tmp_path: Path, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = started(tmp_path, *["ok"] * ITEMS)
    taken = Item.objects.filter(batch=batch, position=1)
    before_recording(monkeypatch, lambda: taken.update(status="PENDING", claimed_at=None, lane=None))
    runner.work_until_idle(batch.pk)
    assert called(tmp_path) == sorted([*range(ITEMS), 1])
    assert operations.verify(batch.pk) == []


def test_it_records_and_claims_nothing_in_a_lane_that_was_taken_over(
    tmp_path: Path, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = started(tmp_path, *["ok"] * ITEMS)

    def take_over() -> None:
        Checkpoint.objects.filter(batch=batch).update(lease_expires_at=clock.now() - timedelta(seconds=1))
        leases.revoke_expired(batch.pk)

    before_recording(monkeypatch, take_over)
    runner.work_until_idle(batch.pk)
    assert called(tmp_path) == sorted([*range(ITEMS), *range(outside.SIDE_BY_SIDE)])
    assert operations.verify(batch.pk) == []
