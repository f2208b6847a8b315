"""How a file is to be read can be said in every door, and every door says what was decided in reading it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from batches import operations
from batches.models import Batch
from batches.pages.new_batch_form import NewBatchForm
from batches.processors import get
from batches.terminal import file_options
from tests.corpus.texts import POLISH, PREAMBLE

SCHEMA = json.dumps({"type": "object"})
pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def submitted(content: bytes, name: str = "f.csv", **options: Any) -> Batch:
    return operations.submit(
        processor="check_rows", params={"schema": SCHEMA}, file=io.BytesIO(content), filename=name, file_options=options
    ).batch


def test_operations_take_the_header_row_and_keep_the_notes() -> None:
    batch = submitted(PREAMBLE.encode(), header_row=4)
    assert (batch.total_items, batch.source["columns"]) == (2, ["sku", "name", "qty"])
    assert "cp1250 is a guess" in " ".join(submitted(POLISH.encode("cp1250")).source["notes"])


def test_the_words_of_a_guess_are_not_shown_where_a_column_is_secret() -> None:
    notes = submitted("id;password\n1;Łódź gęś\n".encode("cp1250")).source["notes"]
    assert "is a guess" in notes[0]
    assert "Łódź" not in str(notes)


def test_it_says_that_the_same_rows_were_submitted_before() -> None:
    first, again = submitted(b"a\n1\n"), submitted(b"a\n1\n")
    assert f"submitted before, as {first.pk} on" in again.source["notes"][-1]
    assert "notes" not in submitted(b"a\n2\n").source or submitted(b"a\n3\n").source["notes"] == []


def test_a_page_has_the_options(admin_user: Any) -> None:
    data = {"params.schema": SCHEMA, "header_row": "4", "start": ""}
    form = NewBatchForm(get("check_rows"), data, {"file": SimpleUploadedFile("f.csv", PREAMBLE.encode())})
    assert form.is_valid(), form.errors
    batch = form.submit(admin_user)
    assert batch is not None, form.errors
    assert batch.total_items == 2


def test_rest_has_the_options(admin_client: Any) -> None:
    upload = SimpleUploadedFile("f.csv", PREAMBLE.encode())
    body = {"processor": "check_rows", "params.schema": SCHEMA, "file": upload, "header_row": 4}
    answer = admin_client.post("/api/batches", body)
    assert answer.status_code == 201, answer.content
    assert answer.json()["total_items"] == 2


def test_the_command_line_reads_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b'[{"a": 1}]')
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        with file_options.opened("-") as (file, name):
            assert (name, file.read()) == ("input.json", b'[{"a": 1}]')
