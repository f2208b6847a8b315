"""The database's disk is full: batches stop, say so everywhere, and go on by themselves once there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection
from django.utils import timezone

from batches import operations
from batches.engine import disk_full, external, runner
from batches.lanes import leases
from batches.lifecycle import holdups, transitions, waiting_for_room
from batches.models import Batch, Checkpoint, IdempotencyRecord, Transition
from errors.models import ErrorRecord
from tests import processors as behaviours
from tests.helpers import outside  # noqa: F401 - registers its processors
from tests.helpers.batches import modes, ran, statuses, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.people import client, person, signed_in

pytestmark = pytest.mark.usefixtures("engine")
Status = Batch.Status
STOPPED = waiting_for_room.GOES_ON


class Disk:
    """That of the database: as it is when full, by SQLite's own limit and in PostgreSQL's own words."""

    full = False

    def fill(self) -> None:
        self.full = True
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("VACUUM")  # pages that are free would be room
                cursor.execute("PRAGMA page_count")
                connection.connection.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0] + 20}")

    def free(self) -> None:
        self.full = False
        if connection.vendor == "sqlite":
            connection.connection.execute("PRAGMA max_page_count = 1000000")

    def write_much(self) -> None:
        with connection.cursor() as cursor:
            if self.full and connection.vendor == "postgresql":
                cursor.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'No space left'; END $$")
            for n in range(10_000 if self.full else 1):
                cursor.execute("INSERT INTO auth_group (name) VALUES (%s)", [f"{timezone.now()} {n} {'x' * 100}"])


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """An item of the mode `much` fills it."""
    disk = Disk()
    save = IdempotencyRecord.save

    def write_much(payload: dict[str, Any], context: Any) -> None:
        try:
            disk.write_much()
        except Exception:
            if not payload.get("swallows"):
                raise

    def look_for_room(row: IdempotencyRecord, **how: Any) -> None:
        if connection.vendor == "postgresql":
            disk.write_much()
        save(row, **how)

    monkeypatch.setitem(behaviours.MODES, "much", write_much)
    monkeypatch.setattr(IdempotencyRecord, "save", look_for_room)
    return disk


@pytest.fixture(autouse=True)
def seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], list[str]]:
    """So many seconds later somebody sweeps: the batches that went on by that."""
    now = [1000.0]
    monkeypatch.setattr(waiting_for_room, "monotonic", lambda: now[0])
    monkeypatch.setattr(waiting_for_room, "pauses", waiting_for_room.Pauses())

    def later(by: float) -> list[str]:
        now[0] += by
        return waiting_for_room.resume_stopped()

    return later


def stopped(batch_id: str, *, reason: str = STOPPED, hours_ago: float = 0, times: int = 1, **options: Any) -> Batch:
    """Paused by a full disk so long ago."""
    batch = submitted(modes("ok"), batch_id=batch_id, **options)
    operations.start(batch.pk)
    for _ in range(times):
        transitions.move(batch.pk, Status.QUEUED, verb="resume", from_=(Status.PAUSED,))
        for to in (Status.RUNNING, Status.PAUSING, Status.PAUSED):
            transitions.move(batch.pk, to, verb="pause", actor="worker", reason=reason)
    Transition.objects.filter(batch=batch).update(at=timezone.now() - timedelta(hours=hours_ago))
    return batch


@pytest.mark.any_database
@pytest.mark.parametrize("swallows", [False, True])
def test_it_stops_when_the_disk_is_full_and_goes_on_by_itself_when_there_is_room(
    swallows: bool, disk: Disk, seconds: Callable[[float], list[str]]
) -> None:
    disk.fill()
    batch = ran(modes("ok", "ok", "much", "ok", effect=True, swallows=swallows), max_attempts=1)
    assert (batch.status, batch.reason) == ("PAUSED", STOPPED)
    assert set(statuses(batch)) == {"PENDING"}
    assert [seconds(0), seconds(6)] == [[], []]
    disk.free()
    assert seconds(5) == []  # the next look is ten seconds after the one before
    assert seconds(5) == [batch.pk]
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"] * 4
    assert not ErrorRecord.objects.exists()
    assert Group.objects.filter(name__startswith=f"{batch.pk}/").count() == 4
    assert operations.verify(batch.pk) == []
    last = batch.transitions.filter(verb="resume").get()
    assert (last.actor, last.reason) == ("worker", "There is room again.")
    assert IdempotencyRecord.objects.count() == 4


@pytest.mark.any_database
def test_it_goes_on_with_nothing_that_a_person_has_to_look_at(
    seconds: Callable[[float], list[str]], user_of: Any
) -> None:
    by_hand = submitted(modes("ok"), batch_id="by-hand")
    operations.start(by_hand.pk)
    operations.pause(by_hand.pk, actor="ana", reason="storage_full: I free some.")
    stopped("a-day-ago", hours_ago=25)
    stopped("for-a-person", reason=waiting_for_room.RESUME_IT)
    cancelled = stopped("cancelled")
    operations.cancel(cancelled.pk, actor="ana")
    stopped("goes-on", hours_ago=23)
    assert [seconds(0), seconds(6)] == [[], ["goes-on"]]
    assert set(Batch.objects.filter(status="PAUSED").values_list("pk", flat=True)) == {
        *("by-hand", "a-day-ago", "for-a-person")
    }


@pytest.mark.any_database
def test_a_pause_that_a_person_has_asked_for_stays_his_when_the_disk_fills() -> None:
    batch = submitted(modes("ok"))
    operations.start(batch.pk)
    transitions.move(batch.pk, Status.RUNNING, verb="run")
    transitions.move(batch.pk, Status.PAUSING, verb="pause", actor="ana", reason="lunch")
    before = list(batch.transitions.values_list("pk", "actor", "at"))
    disk_full.pause(batch)
    assert list(batch.transitions.values_list("pk", "actor", "at")) == before
    assert operations.get_batch(batch.pk).reason == "lunch"


@pytest.mark.any_database
def test_a_disk_that_fills_ever_again_needs_a_person() -> None:
    often = stopped("often", times=waiting_for_room.STOPPED_A_DAY)
    assert waiting_for_room.reason_for(often) == waiting_for_room.RESUME_IT
    assert waiting_for_room.reason_for(stopped("less", times=waiting_for_room.STOPPED_A_DAY - 1)) == STOPPED
    Transition.objects.filter(batch=often).update(at=timezone.now() - timedelta(hours=25))
    assert waiting_for_room.reason_for(often) == STOPPED
    assert waiting_for_room.reason_for(Batch(pk="script")) == waiting_for_room.RESUME_IT


@pytest.mark.any_database
def test_it_goes_on_whatever_a_workers_clock_says(
    disk: Disk, seconds: Callable[[float], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has the machine's clock only")
    now = timezone.now
    with monkeypatch.context() as wrong:
        wrong.setattr(timezone, "now", lambda: now() - timedelta(hours=25))
        disk.fill()
        batch = ran(modes("much"))
    disk.free()
    assert [seconds(0), seconds(6)] == [[], [batch.pk]]


def test_pauses_grow_while_the_disk_is_full_and_begin_anew_later() -> None:
    pauses = waiting_for_room.Pauses()
    looks = [second for second in range(4000) if pauses.is_over(second)]
    assert looks[:8] == [5, 15, 35, 75, 155, 315, 635, 1235]
    assert {later - earlier for earlier, later in pairwise(looks[7:])} == {600}
    pauses.forget(looks[-1] + 10)
    assert not pauses.is_over(looks[-1] + 11), "it has filled again soon: the same trouble"
    pauses.forget(9000)
    assert [second for second in range(9000, 9030) if pauses.is_over(second)] == [9005, 9015]


def full(*arguments: Any, **options: Any) -> None:
    raise OperationalError("database or disk is full")


def refuse_for_a_while(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> list[int]:
    """The next three calls of that function find the disk full; a list that grows with them."""
    real, refused = getattr(where, name), list[int]()

    def write(*arguments: Any, **options: Any) -> Any:
        if len(refused) == 3:
            return real(*arguments, **options)
        refused.append(1)
        return full()

    monkeypatch.setattr(where, name, write)
    return refused


@pytest.mark.any_database
@pytest.mark.parametrize(("where", "name"), [(transitions, "move"), (leases, "renew"), (leases, "release")])
def test_it_stops_as_soon_as_that_can_be_written(
    where: Any, name: str, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And gives its lane back: that would count as a crash of its item else."""
    monkeypatch.setattr(disk_full, "TRY_EVERY", 0.0)
    batch = submitted(modes("ok", "much"))
    operations.start(batch.pk)
    transitions.move(batch.pk, Status.RUNNING, verb="run")
    disk.fill()
    refused = refuse_for_a_while(monkeypatch, where, name)
    runner.work_slice(batch.pk, gives_way=lambda: bool(refused))
    assert operations.get_batch(batch.pk).status == "PAUSED"
    assert not Checkpoint.objects.exclude(worker="").exists()
    disk.free()


@pytest.mark.any_database
def test_a_worker_that_is_to_end_does_not_wait_for_room(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = submitted(modes("much"))
    operations.start(batch.pk)
    disk.fill()
    stops = iter([False, False])
    monkeypatch.setattr(leases, "renew", full)
    with pytest.raises(OperationalError, match="full"):
        runner.work_slice(batch.pk, should_stop=lambda: next(stops, True))
    disk.free()


@pytest.mark.any_database
def test_calls_to_the_outside_are_recorded_when_there_is_room_and_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[float], list[str]]
) -> None:
    monkeypatch.setattr(disk_full, "TRY_EVERY", 0.0)
    log = tmp_path / "calls.log"
    items = [{"log": str(log)} for _ in range(12)]
    batch = operations.submit(processor="outside.call", items=items, batch_id="calls").batch
    operations.start(batch.pk)
    refuse_for_a_while(monkeypatch, external, "record")
    refuse_for_a_while(monkeypatch, leases, "renew")
    runner.work_until_idle(batch.pk)
    assert operations.get_batch(batch.pk).reason == STOPPED
    assert [seconds(0), seconds(6)] == [[], [batch.pk]]
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"] * 12
    assert set(Counter(line.split()[1] for line in log.read_text().splitlines()).values()) == {1}
    assert operations.verify(batch.pk) == []


@pytest.mark.any_database
def test_every_page_says_what_is_stopped_since_when_and_what_to_free(user_of: Any) -> None:
    stopped("b1", hours_ago=25)
    stopped("b2")
    (notice,) = client("viewer").get("/api/workers/notices").json()["notices"]
    assert notice["before"] == "Stopped by a full disk since"
    assert notice["after"].startswith(
        ": 2 batches; 1 goes on by itself once there is room, 1 waits for a person to resume. Free under PORTAL_VAR: "
    )
    for page in ("", "batches/worker/", "batches/batch/", "batches/batch/b2/change/", "errors/errorgroup/"):
        text = signed_in(person("admin")).get(f"/admin/{page}").content.decode()
        assert "once there is room, 1 waits for a person to resume. Free under PORTAL_VAR:" in text, page
    assert "Stopped by a full disk since" in batch_command("list")[1]
    operations.resume("b1")
    operations.resume("b2")
    assert client("viewer").get("/api/workers/notices").json()["notices"][0]["before"].startswith("No worker")


def test_a_disk_on_which_nothing_can_be_written_is_seen_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batches.no_room.database_directory", lambda: Path("/"))
    monkeypatch.setattr("batches.no_room.free_bytes", lambda directory: 4096)
    (notice,) = holdups.notices()
    assert notice.text.startswith("The database's disk is full. Free under PORTAL_VAR: 0.0 MB")
