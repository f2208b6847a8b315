"""One switch pauses everything: no worker takes an item until it is lifted, and batches keep their status."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from batches import clock, metrics, operations, progress_tracker
from batches.engine import rehearsals, runner, turns
from batches.engine.waiting_reasons import WaitingReasons
from batches.exceptions import BatchConflict, InvalidInput
from batches.lifecycle import samples
from batches.models import Batch, Checkpoint, GlobalPause
from tests.helpers.batches import modes, statuses, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.people import client, person, signed_in
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("engine")
HOUR = timedelta(hours=1)
BECAUSE = "Everything is paused by ana: the provider is down."


def pause() -> GlobalPause:
    return operations.pause_everything(actor="ana", reason="the provider is down")


def begun(items: int = 30) -> Batch:
    """A batch of which a worker has done the first item."""
    batch = submitted(modes(*["ok"] * items), checkpoint_every=1)
    operations.start(batch.pk)
    chunks: list[int] = []
    runner.work_slice(batch.pk, on_chunk=lambda: chunks.append(1), should_stop=lambda: bool(chunks))
    return operations.get_batch(batch.pk)


def test_a_worker_in_the_middle_of_a_slice_takes_no_other_chunk() -> None:
    batch = submitted(modes(*["ok"] * 9), checkpoint_every=3)
    operations.start(batch.pk)
    chunks: list[int] = []

    def pause_after_the_first() -> None:
        if not chunks:
            pause()
        chunks.append(1)

    assert not runner.work_slice(batch.pk, on_chunk=pause_after_the_first)
    assert statuses(batch).count("SUCCEEDED") == 3
    assert operations.get_batch(batch.pk).status == "RUNNING"
    assert not Checkpoint.objects.exclude(worker="").exists()
    operations.lift(actor="bob")
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"] * 9


@pytest.mark.full_on("sqlite")
def test_two_worker_processes_take_nothing_after_the_chunk_in_hand(
    in_process: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("one writer, one lane")
    rows = modes(*["ok"] * 100)
    for n in (0, 2):
        rows[n] |= {"mode": "meet", "place": str(tmp_path), "others": 3}
    batch = submitted(rows, checkpoint_every=2, concurrency=2, item_timeout=39)
    operations.start(batch.pk)
    source = "import sys; from batches.engine import runner; runner.work_until_idle(sys.argv[1])"
    workers = [in_process(source, batch.pk) for _ in range(2)]
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    pause()
    (tmp_path / "go").touch()
    complaints = [worker.communicate(timeout=PATIENCE)[1] for worker in workers]
    assert statuses(batch).count("SUCCEEDED") in (2, 3, 4), complaints
    operations.lift()
    runner.work_until_idle(batch.pk)
    assert operations.verify(batch.pk) == []


def test_no_batch_has_a_turn_and_no_lane_is_taken() -> None:
    batch = begun()
    pause()
    assert turns.next_batch() is None
    assert not runner.work_slice(batch.pk)
    assert statuses(batch).count("SUCCEEDED") == 1
    operations.lift()
    assert turns.next_batch() == batch.pk


@pytest.mark.any_database
def test_what_was_paused_by_hand_stays_paused_and_the_rest_goes_on() -> None:
    by_hand, other = begun(), begun()
    operations.pause(by_hand.pk, actor="ana")
    pause()
    new = submitted(modes("ok"))
    operations.start(new.pk)
    operations.lift(actor="bob", reason="it is back")
    runner.work_until_idle()
    assert [operations.get_batch(pk).status for pk in (by_hand.pk, other.pk, new.pk)] == [
        "PAUSED",
        "COMPLETED",
        "COMPLETED",
    ]
    row = GlobalPause.objects.get()
    assert (row.actor, row.reason, row.lifted_by, row.lifted_reason) == (
        "ana",
        "the provider is down",
        "bob",
        "it is back",
    )


@pytest.mark.any_database
def test_it_needs_a_reason_and_there_is_one_at_a_time() -> None:
    with pytest.raises(InvalidInput):
        operations.pause_everything(reason=" ")
    with pytest.raises(BatchConflict):
        operations.lift()
    pause()
    with pytest.raises(BatchConflict, match="by ana: the provider is down"):
        pause()
    operations.lift()
    pause()


@pytest.mark.any_database
def test_a_rehearsal_waits_too() -> None:
    batch = submitted(modes("ok", "ok"))
    rehearsal = operations.rehearse(batch.pk, wake=False)
    pause()
    assert not rehearsals.work(rehearsal.pk)
    assert not rehearsals.unheld().exists()
    operations.lift()
    rehearsals.work(rehearsal.pk)
    assert operations.get_rehearsal(batch.pk, rehearsal.number).state == "DONE"


@pytest.mark.any_database
def test_the_time_is_no_active_time_and_nobody_is_said_to_stand_still() -> None:
    batch = begun()
    pause()
    now = clock.now()
    Batch.objects.filter(pk=batch.pk).update(running_since=now - 2 * HOUR)
    Checkpoint.objects.filter(batch=batch).update(saved_at=now - 2 * HOUR)
    GlobalPause.objects.update(began_at=now - HOUR)
    progress = progress_tracker.get_progress(batch.pk)
    assert (progress.stuck, progress.eta_seconds, progress.recent_velocity) == (False, None, None)
    assert progress.active_seconds == pytest.approx(3600, abs=1)
    assert samples.take_samples() == 0
    operations.lift()
    assert progress_tracker.get_progress(batch.pk).active_seconds == pytest.approx(3600, abs=60)
    pause()
    GlobalPause.objects.filter(in_force=True).update(began_at=now - HOUR)
    operations.cancel(batch.pk)
    assert operations.get_batch(batch.pk).active_seconds < 60


@pytest.mark.any_database
def test_every_door_says_that_everything_is_paused_by_whom_and_why() -> None:
    batch = begun()
    pause()
    viewer = client("viewer")
    document = viewer.get(f"/api/batches/{batch.pk}").json()
    assert (document["sentence"], document["waits_because"]) == (BECAUSE, BECAUSE)
    assert viewer.get(f"/api/batches/{batch.pk}/progress").json()["waits_because"] == BECAUSE
    assert viewer.get("/api/pause").json()["paused"] is True
    (notice,) = [row for row in viewer.get("/api/workers/notices").json()["notices"] if "paused" in row["before"]]
    assert notice["after"] == " by ana: the provider is down. 1 batch waits."
    for page in (f"batch/{batch.pk}/change/", "batch/", "worker/"):
        text = signed_in(person("admin")).get(f"/admin/batches/{page}").content.decode()
        assert "by ana: the provider is down." in text, page
    assert "by ana: the provider is down." in batch_command("list")[1]
    assert BECAUSE in batch_command("show", batch.pk)[1]
    assert b"batchportal_everything_paused 1.0" in metrics.exposition()


@pytest.mark.any_database
def test_a_run_in_a_terminal_ends_and_says_why(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text('[{"mode": "ok"}]')
    pause()
    code, out, _ = batch_command("run", "test.do", str(file), "--id", "b1")
    assert (code, BECAUSE in out) == (3, True)
    assert operations.get_batch("b1").status == "QUEUED"


@pytest.mark.any_database
def test_the_command_line_pauses_and_lifts() -> None:
    code, out, _ = batch_command("pause-all", "--reason", "moving house")
    assert (code, "by command line: moving house." in out) == (0, True)
    code, _, errors = batch_command("pause-all", "--reason", "again")
    assert (code, "already" in errors) == (2, True)
    assert batch_command("lift", "--json")[1] == '{"paused": false, "reason": ""}\n'
    assert batch_command("lift")[0] == 2


@pytest.mark.any_database
@pytest.mark.parametrize(("role", "status"), [("charlie", 403), ("viewer", 403), ("operator", 403), ("admin", 200)])
def test_it_has_a_right_of_its_own_over_rest(role: str, status: int) -> None:
    visitor = client(role)
    assert visitor.post("/api/pause", {"reason": "x"}, format="json").status_code == status
    if status == 200:
        assert visitor.post("/api/pause", {"reason": "x"}, format="json").status_code == 409
        assert visitor.delete("/api/pause?reason=done").json()["pauses"][0]["lifted_reason"] == "done"
        assert visitor.post("/api/pause", {}, format="json").status_code == 400
    assert not GlobalPause.objects.filter(in_force=True).exists()


@pytest.mark.any_database
def test_the_page_asks_first_and_does_what_it_offered() -> None:
    begun()
    admin, address = signed_in(person("admin")), "/admin/batches/worker/pause/"
    asked = admin.get(address).content.decode()
    assert "Pause everything?" in asked
    assert not GlobalPause.objects.exists()
    admin.post(address, {"act": "pause", "reason": "moving house"})
    assert GlobalPause.objects.get().reason == "moving house"
    asked = admin.get(address).content.decode()
    assert "1 batch goes on as before" in asked
    admin.post(address, {"act": "pause", "reason": "another's"})
    admin.post(address, {"act": "lift"})
    row = GlobalPause.objects.get()
    assert (row.in_force, row.lifted_by) == (False, "admin")
    operator = person("operator")
    operator.is_staff = True
    operator.save()
    assert signed_in(operator).post(address, {"act": "pause", "reason": "x"}).status_code == 403


@pytest.mark.any_database
def test_a_batch_that_waits_says_its_place_in_line() -> None:
    running = begun()
    Checkpoint.objects.filter(batch=running).update(worker="a:0badc0de:1:1")
    waiting = [submitted(modes("ok")) for _ in range(4)]
    for batch in waiting:
        operations.start(batch.pk)
    viewer = client("viewer")
    reasons = [viewer.get(f"/api/batches/{batch.pk}").json()["waits_because"] for batch in waiting]
    pickup = "Waiting for a worker to pick it up."
    assert reasons == [
        f"{pickup} {place} in line; no worker lives, 1 batch runs." for place in ("First", "Second", "Third", "4th")
    ]
    assert viewer.get(f"/api/batches/{running.pk}").json()["waits_because"] == ""
    assert reasons[2] in signed_in(person("admin")).get(waiting[2].get_absolute_url()).content.decode()


@pytest.mark.parametrize(("place", "words"), [(11, "11th"), (21, "21st"), (22, "22nd"), (103, "103rd"), (112, "112th")])
def test_a_place_in_a_long_line_is_said_as_people_say_it(place: int, words: str) -> None:
    reasons = WaitingReasons()
    batch = submitted(modes("ok"))
    reasons.__dict__["line"] = {batch.pk: place}
    assert f" {words} in line; " in str(reasons.place(batch))


def test_a_worker_in_a_terminal_says_why_it_does_nothing() -> None:
    operations.pause_everything(reason="the provider is down", actor="ana")
    code, _, remarks = batch_command("worker")
    assert (code, "Everything is paused since" in remarks) == (3, True)
