"""`manage.py batch`: its words and its exit codes; in a real process where interrupts, pipes and the start matter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from batches import operations
from batches.models import Batch, Item
from tests.helpers.batches import modes, ran, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.places import ROOT, SAMPLE, SCHEMA
from tests.helpers.processes import database_url
from tests.helpers.waiting import PATIENCE, wait_until
from tests.servers.ports import free_port

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(engine: None) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": database_url(), "PORTAL_PROCESSORS": "tests.processors", "LOG_LEVEL": "ERROR"}


@pytest.fixture
def batch() -> Run:
    """The command within this process: what it prints and ends with, without the seconds that a start takes."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, *batch_command(*arguments))

    return run


@pytest.fixture
def process(environment: dict[str, str]) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "batch", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


def rows(tmp_path: Path, *wanted: str, **more: Any) -> str:
    path = tmp_path / "rows.ndjson"
    path.write_text("\n".join(json.dumps(item) for item in modes(*wanted, **more)))
    return str(path)


@pytest.mark.parametrize(("wanted", "code"), [(["ok", "skip"], 0), (["ok", "invalid"], 1)])
def test_it_runs_a_file_and_says_how_it_ended(
    process: Run, batch: Run, tmp_path: Path, wanted: list[str], code: int
) -> None:
    ended = process("run", "test.do", rows(tmp_path, *wanted), "--id", "b1")
    assert ended.returncode == code, ended.stderr
    assert "2 of 2 done" in ended.stdout
    assert batch("verify", "b1").returncode == 0


@pytest.mark.full
def test_it_checks_the_sample_and_finds_its_54_faults(batch: Run) -> None:
    ended = batch(
        "run", "check_rows", str(SAMPLE), "--param", f"schema=@{SCHEMA}", "--key-column", "iata", "--id", "s", "--json"
    )
    assert ended.returncode == 1, ended.stderr
    document = json.loads(ended.stdout)
    assert (document["total_items"], document["failed"], document["completed"]) == (3376, 54, 3322)
    failed = Item.objects.filter(batch="s", failed_at__isnull=False)
    assert failed.filter(message__contains="iata: ").count() == 42
    assert (
        failed.filter(
            message__contains="city: ",
        ).count()
        == 12
    )
    assert failed.filter(message__contains="longitude: ").count() == 4
    assert set(failed.values_list("code", flat=True)) == {"VALIDATION_FAILED"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "no.such", "FILE"), "There is no processor 'no.such'"),
        (("run", "test.do", "missing.csv"), "missing.csv"),
        (("run", "test.do", "FILE", "--id", "a/b"), "id: "),
        (("run", "test.do", "FILE", "--rate", "-1"), "rate: "),
        (("run", "test.do", "FILE", "--param", "x"), "name=value"),
        (("run", "test.do", "FILE", "--param", "x=1"), "no parameter 'x'"),
        (("run", "check_rows", "FILE", "--param", "schema={"), "not a usable JSON Schema"),
        (("run", "check_rows", "FILE"), "required"),
        (("run", "test.do", "FILE", "--key-column", "nope"), "no column 'nope'"),
        (("run", "test.do", "FILE", "--key-column", "mode"), "was used in row 1 already"),
        (("show", "nothing"), "no batch 'nothing'"),
        (("pause", "nothing"), "no batch 'nothing'"),
    ],
)
def test_it_refuses_with_one_line_and_exit_code_2(batch: Run, tmp_path: Path, arguments: Any, words: str) -> None:
    path = rows(tmp_path, "ok", "ok")
    ended = batch(*(path if argument == "FILE" else argument for argument in arguments))
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert not Batch.objects.exists()


def test_it_submits_the_same_file_once_and_refuses_another_under_its_id(batch: Run, tmp_path: Path) -> None:
    path = rows(tmp_path, "ok")
    assert batch("run", "test.do", path, "--id", "b1").returncode == 0
    assert batch("run", "test.do", path, "--id", "b1").returncode == 0
    assert Item.objects.count() == 1
    refused = batch("run", "test.do", rows(tmp_path, "ok", "ok"), "--id", "b1")
    assert (refused.returncode, "other content" in refused.stderr) == (2, True)


def test_it_refuses_a_file_that_is_too_large(batch: Run, settings: Any, tmp_path: Path) -> None:
    settings.PORTAL_MAX_UPLOAD_MB = 0.0001
    refused = batch("run", "test.do", rows(tmp_path, *["ok"] * 50))
    assert (refused.returncode, "is the limit" in refused.stderr) == (2, True)


def test_it_pauses_on_the_first_interrupt_and_says_how_to_go_on(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "batch", "run", "test.do"]
    command += [rows(tmp_path, *["sleep"] * 3000, seconds=0.02), "--id", "b1"]
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(Item.objects.filter(batch="b1", status="SUCCEEDED").exists)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 3
    assert "batch resume b1" in said
    assert operations.get_batch("b1").status == "PAUSED"
    assert operations.verify("b1") == []


def test_it_steers_a_batch(batch: Run) -> None:
    made = submitted(modes("ok", "invalid"))
    assert "Queued" in batch("start", made.pk).stdout
    assert "Paused" in batch("pause", made.pk, "--reason", "lunch").stdout
    assert "Queued" in batch("resume", made.pk).stdout
    assert batch("worker").returncode == 0
    assert "1 item is tried again" in batch("retry", made.pk).stdout
    assert batch("cancel", made.pk).returncode == 0
    late = batch("pause", made.pk)
    assert (late.returncode, late.stderr.strip()) == (2, f"Cannot pause batch {made.pk}: it is cancelled.")


def test_it_prints_one_json_document_for_every_subcommand(batch: Run) -> None:
    made = ran(modes("ok", "invalid"))
    for arguments in (
        ("list",),
        ("show", made.pk),
        ("watch", made.pk),
        ("verify", made.pk),
        ("retry", made.pk),
        ("worker",),
    ):
        ended = batch(*arguments, "--json")
        json.loads(ended.stdout)
        assert "Traceback" not in ended.stderr


def test_it_exits_with_3_for_a_halted_batch(batch: Run, tmp_path: Path) -> None:
    ended = batch("run", "test.do", rows(tmp_path, *["invalid"] * 20), "--max-errors", "5", "--id", "b1")
    assert ended.returncode == 3
    assert "the budget is 5" in ended.stdout


def test_it_exits_with_1_when_a_promise_is_broken(batch: Run) -> None:
    made = ran(modes("ok", "ok"))
    Item.objects.filter(batch=made, position=1).update(status="PENDING")
    ended = batch("verify", made.pk)
    assert ended.returncode == 1
    assert "Lane 0 counts 2 items succeeded; there are 1." in ended.stdout


def test_it_watches_on_when_the_database_was_away(monkeypatch: Any, capsys: Any) -> None:
    made = ran(modes("ok", "ok"))
    get_batch, tries = operations.get_batch, iter([None, OperationalError("server closed the connection\nmore")])

    def shaky(batch_id: str) -> Any:
        if error := next(tries, None):
            raise error
        return get_batch(batch_id)

    monkeypatch.setattr(operations, "get_batch", shaky)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(connection, "close", lambda: None)
    with pytest.raises(SystemExit) as ended:
        call_command("batch", "watch", made.pk)
    assert ended.value.code == 0
    assert "still watching: server closed the connection" in capsys.readouterr().err


def test_it_stops_watching_at_ctrl_c_and_the_batch_goes_on(monkeypatch: Any, capsys: Any) -> None:
    made = submitted(modes("ok"))
    operations.start(made.pk)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    with pytest.raises(SystemExit) as ended:
        call_command("batch", "watch", made.pk)
    assert ended.value.code == 3
    assert "it goes on" in capsys.readouterr().err
    made.refresh_from_db()
    assert made.status == "QUEUED"


@pytest.mark.full
def test_it_leaves_without_a_word_when_its_reader_has_had_enough(environment: dict[str, str]) -> None:
    for _ in range(3):
        submitted(modes("ok"), name="n" * 100)
    for arguments in (["list"], ["list", "--json"]):
        reading, writing = os.pipe()
        os.close(reading)
        command = [sys.executable, "manage.py", "batch", *arguments]
        buffered = {name: value for name, value in environment.items() if name != "PYTHONUNBUFFERED"}
        left = subprocess.run(command, cwd=ROOT, env=buffered, stdout=writing, stderr=subprocess.PIPE, check=False)
        os.close(writing)
        assert (left.returncode, left.stderr) == (0, b"")


LONG = pytest.mark.full


@pytest.mark.parametrize(
    "arguments",
    [["watch", "nope"], pytest.param(["list"], marks=LONG), pytest.param(["show", "nope", "--json"], marks=LONG)],
)
def test_it_says_in_a_line_that_there_is_no_database(environment: dict[str, str], arguments: list[str]) -> None:
    command = [sys.executable, "manage.py", "batch", *arguments]
    away = {**environment, "DATABASE_URL": f"postgres://nobody@127.0.0.1:{free_port()}/none"}
    ended = subprocess.run(command, cwd=ROOT, env=away, capture_output=True, text=True, check=False)
    assert ended.returncode == 4
    assert ended.stderr.startswith("The database does not answer: ")
    assert ended.stderr.count("\n") == 1
