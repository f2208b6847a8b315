"""Exports that a worker makes: in slices, whole or not at all, whatever happens to the worker, and for a day."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from batches import operations
from batches.models import Batch
from errors import exports
from errors.exports import file_writer, files
from errors.exports.exporters import EXPORTERS
from errors.exports.request import ExportRequest
from errors.exports.tables import KINDS
from errors.models import Export
from errors.tasks import make_export, sweep
from tests.helpers.failed_rows import body, failed_rows, table
from tests.helpers.people import client

pytestmark = pytest.mark.usefixtures("engine")
ROWS = ["a", "b", "=c", "d", "e", "f", "g"]


@pytest.fixture(autouse=True)
def small(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two rows, each saved, in a directory of the test's own."""
    settings.PORTAL_VAR = tmp_path
    settings.PORTAL_EXPORT_ROWS = 3
    monkeypatch.setattr(file_writer, "SECONDS_BETWEEN_SAVES", 0.0)
    monkeypatch.setattr("errors.exports.tables.base.ROWS_PER_PAGE", 2)
    monkeypatch.setattr("errors.exports.tables.postgres_copy.ROWS_PER_COPY", 2)


def begun(batch: Batch, **more: Any) -> Export:
    return exports.begin(ExportRequest(batch, **more), actor="ana")


def worked(made: Export, *, seconds: float = 60) -> int:
    """Work on it until it is over; in how many slices?"""
    slices = 1
    while file_writer.work(made.pk, seconds=seconds):
        slices += 1
    made.refresh_from_db()
    return slices


def content(made: Export) -> bytes:
    return b"".join(exports.file_blocks(made))


def file_names() -> list[str]:
    return sorted(path.name for path in files.directory().iterdir())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file_format", [name for name, kind in EXPORTERS.items() if kind.resumable])
@pytest.mark.full
def test_a_file_made_in_slices_is_the_one_that_is_streamed(kind: str, file_format: str) -> None:
    batch = failed_rows(ROWS)
    made = begun(batch, kind=kind, format=file_format)
    slices = worked(made, seconds=-1)
    assert slices > (1 if kind == "summary" else 3)
    assert (made.state, made.done, made.percent) == ("ready", made.rows, 100.0)
    assert content(made) == b"".join(ExportRequest.of(made).blocks())
    assert made.written == len(content(made))


def test_a_workbook_is_made_in_one_go_and_begins_anew_if_it_is_broken_off() -> None:
    made = begun(failed_rows(ROWS), kind="fix", format="xlsx")
    assert file_writer.work(made.pk, should_stop=lambda: True)
    made.refresh_from_db()
    assert (made.state, made.written) == ("running", 0)
    assert worked(made, seconds=-1) == 1
    assert (made.state, made.done) == ("ready", 7)
    assert content(made).startswith(b"PK")
    assert len(file_names()) == 1


def test_nobody_gets_half_a_file() -> None:
    made = begun(failed_rows(ROWS), kind="fix")
    assert file_writer.work(made.pk, seconds=-1)
    made.refresh_from_db()
    assert (made.state, made.done, made.percent) == ("running", 2, 28.5)
    assert file_names() == [made.file]
    with pytest.raises(exports.ExportNotReady, match="2 of 7 rows"):
        exports.file_blocks(made)


MAKE = """
import sys, time
from errors.exports import file_writer
from errors.exports.exporters.csv_exporter import Csv
from errors.exports.tables import base
file_writer.SECONDS_BETWEEN_SAVES = 0
base.ROWS_PER_PAGE = 2
block, n = Csv.block, 0
def slowly(self, rows, before):
    if before == 4:
        print("in the middle", flush=True)
        time.sleep(3600)
    return block(self, rows, before)
Csv.block = slowly
from django.conf import settings
from pathlib import Path
settings.PORTAL_VAR = Path(sys.argv[2])
file_writer.work(int(sys.argv[1]))
"""


@pytest.mark.full_on("sqlite")
def test_a_killed_worker_costs_what_it_wrote_since(
    in_process: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    batch = failed_rows(ROWS)
    made = begun(batch, kind="fix")
    process = in_process(MAKE, str(made.pk), str(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline() == "in the middle\n", process.communicate()
    process.send_signal(signal.SIGKILL)
    process.wait()
    made.refresh_from_db()
    assert (made.state, made.done) == ("running", 4)
    assert not file_writer.work(made.pk)
    made.refresh_from_db()
    assert made.state == "running"
    with (files.directory() / made.file).open("ab") as half:
        half.write(b"what was written and not saved")
    Export.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert list(exports.waiting()) == [made]
    worked(made)
    assert made.state == "ready"
    assert content(made) == b"".join(ExportRequest.of(made).blocks())
    assert file_names() == [made.file]


def test_a_worker_that_wakes_up_late_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = begun(failed_rows(ROWS), kind="fix")
    save = file_writer.FileWriter.save_if_due

    def overtaken(self: file_writer.FileWriter, *about: Any) -> bool:
        monkeypatch.setattr(file_writer.FileWriter, "save_if_due", save)
        Export.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        worked(made)
        return save(self, *about)

    monkeypatch.setattr(file_writer.FileWriter, "save_if_due", overtaken)
    assert not file_writer.work(made.pk)
    made.refresh_from_db()
    assert made.state == "ready"
    assert content(made) == b"".join(ExportRequest.of(made).blocks())
    assert file_names() == [made.file]


def test_a_file_that_is_lost_meanwhile_is_begun_anew() -> None:
    made = begun(failed_rows(ROWS), kind="fix")
    file_writer.work(made.pk, seconds=-1)
    for name in file_names():
        (files.directory() / name).unlink()
    worked(made)
    assert content(made) == b"".join(ExportRequest.of(made).blocks())


def test_a_cancelled_one_stops_and_leaves_nothing() -> None:
    made = begun(failed_rows(ROWS), kind="fix")
    file_writer.work(made.pk, seconds=-1)
    exports.cancel("b1", made.number, actor="ana")
    assert not file_writer.work(made.pk)
    Export.objects.filter(pk=made.pk).update(state="running")

    def cancels(number: int) -> Callable[[], bool]:
        return lambda: bool(exports.cancel("b1", number, actor="ana")) and False

    assert not file_writer.work(made.pk, should_stop=cancels(made.number))
    made.refresh_from_db()
    assert (made.state, made.note, file_names()) == ("cancelled", "Cancelled by ana.", [])


def test_what_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    made = begun(failed_rows(ROWS), kind="fix")

    def full(self: Any, rows: Any, before: int) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("errors.exports.exporters.csv_exporter.Csv.block", full)
    worked(made)
    assert (made.state, "No space left" in made.note, file_names()) == ("failed", True, [])


def test_it_fails_with_a_reason_if_its_table_cannot_be_built_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = failed_rows(ROWS)
    Batch.objects.filter(pk=batch.pk).update(source={})
    made = begun(operations.get_batch(batch.pk), kind="fix")
    monkeypatch.setattr("errors.exports.tables.fix.MAX_COLUMNS", 0)
    worked(made)
    assert (made.state, "no table holds them" in made.note) == ("failed", True)


def test_a_file_is_handed_out_by_the_door_until_it_expires() -> None:
    failed_rows(ROWS)
    viewer = client("viewer")
    url = viewer.get("/api/batches/b1/errors/export/csv?kind=fix").headers["Location"]
    make_export.apply(args=[Export.objects.get().pk])
    said = viewer.get(url).json()
    assert (said["state"], said["percent"], said["done"]) == ("ready", 100.0, 7)
    answer = viewer.get(said["file_url"])
    found = body(answer)
    assert answer.headers["Content-Length"] == str(len(found)) == str(said["bytes"])
    assert (answer.headers["X-Row-Count"], len(table(found))) == ("7", 8)
    assert client("charlie").get(said["file_url"]).status_code == 403
    assert client("anonymous").get(said["file_url"]).status_code == 401
    Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert viewer.get(said["file_url"]).status_code == 410
    sweep.apply()
    assert (Export.objects.get().state, file_names()) == ("expired", [])
    gone = viewer.get(said["file_url"])
    assert (gone.status_code, "Ask for the export again" in gone.json()["detail"]) == (410, True)
    assert viewer.get(url).json()["file_url"] is None


def test_raw_files_are_handed_to_admins_only() -> None:
    failed_rows(ROWS)
    made = client("admin").get("/api/batches/b1/errors/export/csv?raw=1").json()
    worked(Export.objects.get())
    assert client("operator").get(f"{made['url']}/file").status_code == 403
    assert len(table(body(client("admin").get(f"{made['url']}/file")))) == 8


def test_the_sweep_wakes_what_waits_and_clears_away_what_nobody_names(monkeypatch: pytest.MonkeyPatch) -> None:
    made = begun(failed_rows(ROWS))
    sent: list[int] = []
    monkeypatch.setattr("errors.exports.enqueue", sent.append)
    stray, fresh = files.directory() / "stray", files.directory() / "fresh"
    for path in (stray, fresh):
        path.write_text("x")
    os.utime(stray, (0, 0))
    sweep.apply()
    assert (sent, file_names()) == ([made.pk], ["fresh"])


def test_progress_grows_and_is_kept_with_each_page() -> None:
    made = begun(failed_rows(ROWS), kind="fix")
    seen = []
    while file_writer.work(made.pk, seconds=-1):
        seen.append(Export.objects.get().done)
    assert seen == [2, 4, 6, 7]
    assert not Export.objects.filter(done__gt=F("rows")).exists()
