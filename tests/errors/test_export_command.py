"""`manage.py batch export`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from errors.exports.request import ExportRequest
from errors.models import Export
from tests.corpus.formulas import FORMULAS
from tests.helpers.check_rows import submitted
from tests.helpers.command_line import batch_command
from tests.helpers.failed_rows import failed_rows, table
from tests.helpers.places import ROOT
from tests.helpers.processes import database_url
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")


def test_it_prints_text_for_the_next_command() -> None:
    batch = failed_rows(["x", "ü"])
    code, text, _ = batch_command("export", "b1", "--kind", "fix")
    assert (code, text.encode()) == (0, b"".join(ExportRequest(batch, kind="fix").blocks()))
    code, text, _ = batch_command("export", "b1", "--format", "ndjson", "--positions", "1-1")
    assert [json.loads(line)["item_index"] for line in text.splitlines()] == [1]


def test_it_writes_a_file_and_says_what(tmp_path: Path) -> None:
    failed_rows(["x", "y"])
    file = tmp_path / "out.xlsx"
    code, text, _ = batch_command("export", "b1", "--kind", "fix", "--format", "xlsx", "-o", str(file))
    assert (code, text) == (0, f"b1: 2 rows, {file.stat().st_size:,} bytes written to {file}\n")
    assert len(CalamineWorkbook.from_filelike(io.BytesIO(file.read_bytes())).get_sheet_by_index(0).to_python()) == 3
    code, text, _ = batch_command("export", "b1", "-o", str(file), "--json")
    told = json.loads(text)
    assert (code, told["rows"], told["kind"], told["format"], told["file"]) == (0, 2, "detail", "csv", str(file))
    assert (told["bytes"], len(table(file.read_bytes()))) == (file.stat().st_size, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["out.xlsx"]
    assert set(Export.objects.values_list("actor", flat=True)) == {"command line"}


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed_rows(["x"])
    file = tmp_path / "out.csv"
    file.write_text("old")

    def broken(self: Any) -> Any:
        yield b"half"
        raise OSError("No space left on device")

    monkeypatch.setattr(ExportRequest, "blocks", broken)
    code, _, err = batch_command("export", "b1", "-o", str(file))
    assert (code, "No space left" in err) == (4, True)
    assert (file.read_text(), len(list(tmp_path.iterdir()))) == ("old", 1)


def test_whoever_has_the_command_line_may_have_raw_cells() -> None:
    failed_rows(FORMULAS[:1])
    _, text, _ = batch_command("export", "b1", "--kind", "fix", "--raw")
    assert table(text.encode())[1][0] == FORMULAS[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "nobody"),
        (["b1", "--format", "xlsx"], "-o FILE"),
        (["b1", "--json"], "-o FILE"),
        (["b1", "-o", "/"], "is a directory"),
        (["b1", "-o", "/no/such/place.csv"], "No such file"),
        (["b1", "--positions", "9-1"], "positions"),
        (["b1", "--state", "odd"], "state"),
    ],
)
def test_what_it_cannot_do_is_refused(arguments: list[str], words: str) -> None:
    submitted()
    code, text, err = batch_command("export", *arguments)
    assert (code, text, words in err) == (2, "", True)


@pytest.mark.full
def test_a_reader_that_has_enough_is_no_fault_of_ours() -> None:
    failed_rows(["x" * 100] * 3000)
    command = [sys.executable, "manage.py", "batch", "export", "b1", "--kind", "fix"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(7) == b"\xef\xbb\xbfzeta"
        process.stdout.close()
        complaint = process.stderr.read()
        assert (process.wait(PATIENCE), complaint) == (4, b"")
