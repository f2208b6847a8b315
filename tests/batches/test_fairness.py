"""Workers are shared fairly: a batch of many lanes does not keep a small one waiting."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone

from batches import operations, tasks, waking
from batches.engine import runner, slices, turns
from batches.lanes import leases
from batches.models import Batch, Checkpoint, Item, Worker
from tests.helpers.batches import modes, statuses, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.people import client, person, signed_in
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("engine")


def queued(*rows: dict[str, Any], **more: Any) -> Batch:
    return operations.start(submitted(list(rows) or modes(*["ok"] * 3), **more).pk)


def begun(seconds_ago: float, **more: Any) -> Batch:
    """A batch that a worker let go so long ago."""
    batch = queued(**more)
    lease = slices.take_lane(batch, 0)
    assert lease is not None
    leases.release(lease)
    Checkpoint.objects.filter(batch=batch).update(saved_at=timezone.now() - timedelta(seconds=seconds_ago))
    return operations.get_batch(batch.pk)


def hold(batch: Batch, lane: int = 0) -> leases.Lease:
    lease = slices.take_lane(operations.get_batch(batch.pk), lane)
    assert lease is not None
    return lease


def test_a_message_for_a_large_batch_begins_the_small_one_that_waits() -> None:
    large, small = queued(*modes(*["ok"] * 30), concurrency=8), queued(*modes("ok", "ok"))
    hold(large)
    tasks.run_slice(large.pk, 1)
    assert statuses(small) == ["SUCCEEDED", "SUCCEEDED"]
    assert operations.get_batch(small.pk).status == "COMPLETED"


@pytest.mark.any_database
def test_a_new_one_goes_first_then_the_one_that_was_let_go_first() -> None:
    later, earlier = begun(3), begun(5)
    first, second = queued(), queued()
    order: list[str] = []
    while (pk := turns.next_batch(order)) is not None:
        order.append(pk)
    assert order == [first.pk, second.pk, earlier.pk, later.pk]


@pytest.mark.any_database
def test_of_one_priority_the_first_in_line_is_the_same_without_a_look_into_every_history() -> None:
    first, second = queued(), queued()
    for ranked in (True, False):
        assert [batch.pk for batch in turns.not_begun(ranked=ranked)] == [first.pk, second.pk]
    line = str(turns.not_begun(ranked=False).query).rpartition("ORDER BY")[2]
    assert "batches_transition" not in line


@pytest.mark.any_database
def test_one_that_has_waited_for_ten_seconds_goes_before_a_new_one() -> None:
    starved = begun(11)
    queued()
    assert turns.next_batch() == starved.pk


@pytest.mark.any_database
def test_one_without_anything_to_do_now_has_no_turn() -> None:
    waiting, out, done = begun(5), begun(5), begun(5)
    soon = timezone.now() + timedelta(hours=1)
    Item.objects.filter(batch=waiting).update(available_at=soon)
    Item.objects.filter(batch=out).update(status="RUNNING", claimed_at=timezone.now())
    Checkpoint.objects.filter(batch=done, lane=0).update(succeeded=3)
    assert turns.next_batch() is None
    Item.objects.filter(batch=waiting, position=0).update(available_at=timezone.now())
    assert turns.next_batch() == waiting.pk


@pytest.mark.any_database
def test_a_batch_whose_lanes_are_all_held_has_no_turn_whoever_holds_them() -> None:
    """Also a frozen worker's, until its lease has run out: nobody gives way for what he could not take."""
    held = queued()
    hold(held)
    assert turns.next_batch() is None
    Batch.objects.filter(pk=held.pk).update(status="QUEUED")
    assert turns.next_batch() is None


def test_lanes_go_to_the_batch_that_has_the_fewest_processes() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("one writer, one lane")
    wide, narrow = queued(concurrency=64), queued(concurrency=2)
    for lane in (0, 1):
        hold(wide, lane)
    hold(narrow)
    assert turns.next_batch() == narrow.pk
    hold(narrow, 1)
    assert turns.next_batch() == wide.pk


@pytest.mark.any_database
def test_it_makes_the_sql_of_whose_turn_it_is_once() -> None:
    """For it takes Django longer than the database takes to answer."""
    batch = queued()
    assert turns.next_batch() == batch.pk
    assert turns.Turn().somebody_waits()
    with mock.patch.object(SQLCompiler, "as_sql", autospec=True, side_effect=AssertionError("made anew")):
        assert turns.next_batch() == batch.pk
        assert turns.Turn().somebody_waits()


@pytest.mark.any_database
def test_it_gives_way_to_a_new_one_at_once_and_to_others_after_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(turns, "monotonic", lambda: now[0])
    mine = queued()
    hold(mine)

    def gives_way(after: float) -> bool:
        now[0] = 100.0
        turn = turns.Turn()
        now[0] += after
        return turn.is_over()

    assert not gives_way(60)
    waiting = begun(5)
    assert (gives_way(0.6), gives_way(2.1)) == (False, True)
    new = queued()
    assert (gives_way(0.4), gives_way(0.6)) == (False, True)
    operations.cancel(new.pk)
    Checkpoint.objects.filter(batch=waiting).update(saved_at=timezone.now() - timedelta(seconds=11))
    assert gives_way(0.6)


def test_a_long_batch_is_interrupted_for_one_that_is_submitted_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process, whose message is about the long one only; it goes on with that afterwards."""
    monkeypatch.setattr(turns, "LOOK_UP_EVERY", 0.0)
    long = queued(*modes(*["ok"] * 40), checkpoint_every=1)
    small: list[Batch] = []
    begin = runner.run_chunk

    def submit_meanwhile(slice_: slices.Slice) -> int | None:
        if not small and statuses(long).count("SUCCEEDED") == 10:
            small.append(queued(*modes("ok", "ok")))
        elif small and slice_.batch.pk == small[0].pk:
            assert statuses(long).count("SUCCEEDED") == 11
        return begin(slice_)

    monkeypatch.setattr(runner, "run_chunk", submit_meanwhile)
    tasks.run_slice(long.pk, 0)
    assert statuses(small[0]) == ["SUCCEEDED"] * 2
    assert statuses(long) == ["SUCCEEDED"] * 40


def test_messages_are_as_many_as_sleeping_processes_however_many_batches_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(waking, "enqueue_slice", lambda *message: sent.append(message))
    for name in ("a:0badc0de:1:1", "a:0badc0de:2:2", "a:0badc0de:3:3"):
        Worker.objects.create(name=name, host="a", code="c", started_at=timezone.now(), heard_at=timezone.now())
    for _ in range(20):
        queued()
    sent.clear()
    hold(queued())
    Checkpoint.objects.exclude(worker="").update(worker="a:0badc0de:1:1")
    sent.clear()
    tasks.sweep_now()
    assert len(sent) == 2


@pytest.mark.full
def test_it_works_side_by_side_on_as_many_lanes_as_it_is_given_while_it_runs(
    in_process: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("one writer, one lane")
    first, later = tmp_path / "first", tmp_path / "later"
    first.mkdir()
    later.mkdir()
    rows = [*modes("meet", place=str(first), others=2), *modes(*["meet"] * 8, place=str(later), others=4)]
    batch = submitted(rows, checkpoint_every=1, max_attempts=1, item_timeout=39)
    operations.start(batch.pk)
    source = "import sys; from batches.engine import runner; runner.work_until_idle(sys.argv[1])"
    workers = [in_process(source, batch.pk) for _ in range(4)]
    wait_until(lambda: (first / "1").exists())
    assert Checkpoint.objects.filter(batch=batch).exclude(worker="").count() == 1
    operations.adjust(batch.pk, concurrency=4, actor="ana")
    (first / "go").touch()
    said = [worker.communicate(timeout=PATIENCE)[1] for worker in workers]
    assert statuses(batch) == ["SUCCEEDED"] * 9, said
    assert Checkpoint.objects.filter(batch=batch, succeeded__gt=0).count() == 4
    assert operations.verify(batch.pk) == []


@pytest.mark.any_database
def test_a_higher_priority_goes_first_whether_it_has_begun_or_not() -> None:
    low, normal, high = queued(priority="low"), queued(), queued(priority="high")
    begun_high = begun(5, priority="high")
    begun_low = begun(15, priority="low")
    order: list[str] = []
    while (pk := turns.next_batch(order)) is not None:
        order.append(pk)
    assert order == [high.pk, begun_high.pk, normal.pk, begun_low.pk, low.pk]


@pytest.mark.any_database
def test_a_minute_of_waiting_raises_a_batch_by_one_level() -> None:
    high, low = begun(5, priority="high"), begun(100, priority="low")
    assert turns.next_batch() == high.pk
    Checkpoint.objects.filter(batch=low).update(saved_at=timezone.now() - timedelta(seconds=121))
    assert turns.next_batch() == low.pk


@pytest.mark.any_database
def test_one_that_cannot_begin_for_ten_seconds_goes_before_long_ones_that_waited_less() -> None:
    longest, long, new = begun(15), begun(11), queued()
    new.transitions.filter(to_status="QUEUED").update(at=timezone.now() - timedelta(seconds=12))
    assert turns.next_batch() == longest.pk
    assert turns.next_batch([longest.pk]) == new.pk
    assert turns.next_batch([longest.pk, new.pk]) == long.pk


@pytest.mark.any_database
def test_a_process_gives_way_to_its_own_level_and_those_above(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LOOK_UP_EVERY", 0.0)
    monkeypatch.setattr(turns, "SHARED_SECONDS", 0.0)
    normal, high = queued(), queued(priority="high")
    hold(normal)
    hold(high)
    waiting = begun(5)
    assert turns.Turn(batch_id=normal.pk).is_over()
    assert not turns.Turn(batch_id=high.pk).is_over()
    Checkpoint.objects.filter(batch=waiting).update(saved_at=timezone.now() - timedelta(seconds=61))
    assert turns.Turn(batch_id=high.pk).is_over()
    operations.cancel(waiting.pk)
    queued(priority="low")
    assert not turns.Turn(batch_id=normal.pk).is_over()


@pytest.mark.any_database
def test_every_door_takes_a_priority_and_changes_it() -> None:
    operator = client("operator")
    body = {"processor": "test.do", "items": modes("ok"), "id": "b1", "priority": "low"}
    assert operator.post("/api/batches", body, format="json").json()["priority"] == "low"
    changed = operator.post("/api/batches/b1/adjust", {"priority": "high"}, format="json")
    assert changed.json()["priority"] == "high"
    assert operator.post("/api/batches/b1/adjust", {"priority": "urgent"}, format="json").status_code == 400
    assert batch_command("adjust", "b1", "--priority", "low")[1].strip() == "b1: priority low."
    admin = signed_in(person("admin"))
    assert "low priority" in admin.get("/admin/batches/batch/").content.decode()
    address = "/admin/batches/batch/b1/adjust/"
    form = {name: getattr(operations.get_batch("b1"), name) or "" for name in operations.ADJUSTABLE}
    assert admin.post(address, form | {"priority": "high"}).status_code == 302
    assert operations.get_batch("b1").priority == "high"
    assert operations.get_batch("b1").transitions.filter(verb="adjust").last().reason == "priority low → high."
