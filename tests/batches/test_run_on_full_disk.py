"""`batch run` alone on a machine: nobody else is there to look for room on a full disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batches.engine import runner
from batches.lifecycle import transitions, waiting_for_room
from batches.models import Batch
from tests.helpers.batches import modes, statuses
from tests.helpers.command_line import batch_command

pytestmark = pytest.mark.usefixtures("engine")
Status = Batch.Status


def test_it_waits_for_room_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_for_room, "pauses", waiting_for_room.Pauses())
    now, work = [1000.0], runner.work_until_idle
    monkeypatch.setattr(waiting_for_room, "monotonic", lambda: now[0])
    monkeypatch.setattr("batches.terminal.running.sleep", lambda seconds: now.__setitem__(0, now[0] + 6))
    runs = iter([True])

    def fills_at_first(batch_id: str, **options: object) -> None:
        if next(runs, False):
            for to in (Status.RUNNING, Status.PAUSING, Status.PAUSED):
                transitions.move(batch_id, to, verb="pause", actor="worker", reason=waiting_for_room.GOES_ON)
        else:
            work(batch_id)

    monkeypatch.setattr(runner, "work_until_idle", fills_at_first)
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, modes("ok", "ok"))))
    code, out, err = batch_command("run", "test.do", str(file), "--id", "alone")
    assert (code, statuses(Batch.objects.get(pk="alone"))) == (0, ["SUCCEEDED"] * 2)
    assert "2 of 2 done" in out
    assert "the database's disk is full" in err
