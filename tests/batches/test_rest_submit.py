"""POST /api/batches: a list or a file becomes a batch, or is refused by field with nothing written."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.test import override_settings

from batches.models import Batch, Item
from tests.helpers.check_rows import GOOD, SCHEMA, asked
from tests.helpers.people import client

pytestmark = pytest.mark.django_db
URL = "/api/batches"


def upload(text: str = "b\n1\n2\n", name: str = "rows.csv") -> io.BytesIO:
    file = io.BytesIO(text.encode())
    file.name = name
    return file


def test_it_submits_a_list() -> None:
    answer = client("operator").post(URL, asked(id="mine", rate=5, name="Rows"), format="json")
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/batches/mine"
    assert answer.json()["status"] == "PENDING"
    assert answer.json()["legal_verbs"] == ["start", "cancel"]
    assert answer.json()["created_by"] == "operator"
    batch = Batch.objects.get(pk="mine")
    assert (batch.total_items, batch.rate, batch.name) == (2, 5.0, "Rows")


def test_it_submits_a_file() -> None:
    body = {
        "processor": "check_rows",
        "params": json.dumps(SCHEMA),
        "file": upload(),
        "key_column": "b",
        "concurrency": "2",
    }
    answer = client("operator").post(URL, body, format="multipart")
    assert answer.status_code == 201, answer.json()
    assert answer.json()["source"]["filename"] == "rows.csv"
    assert list(Item.objects.values_list("key", flat=True).order_by("position")) == ["1", "2"]
    assert Batch.objects.get().concurrency == 2


def test_it_starts_at_once_when_asked_to() -> None:
    answer = client("operator").post(URL, asked(start=True), format="json")
    assert answer.json()["status"] == "QUEUED"


def test_it_answers_200_for_the_same_batch_again() -> None:
    operator = client("operator")
    operator.post(URL, asked(id="mine"), format="json")
    again = operator.post(URL, asked(id="mine"), format="json")
    assert again.status_code == 200
    assert Batch.objects.count() == 1


def test_it_answers_409_for_an_id_with_other_content() -> None:
    operator = client("operator")
    operator.post(URL, asked(id="mine"), format="json")
    other = operator.post(URL, asked(id="mine", items=[GOOD]), format="json")
    assert other.status_code == 409
    assert Item.objects.count() == 2


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"processor": "no.such"}, "processor"),
        ({"processor": "os.system"}, "processor"),
        ({"params": {"schema": "{"}}, "params.schema"),
        ({"params": {}}, "params.schema"),
        ({"params": {**SCHEMA, "more": 1}}, "params.more"),
        ({"params": "{"}, "params"),
        ({"params": [1]}, "params"),
        ({"items": {}}, "items"),
        ({"items": [GOOD, 1]}, "row 2"),
        ({"items": [{"b": "\x00"}]}, "row 1"),
        ({"items": [GOOD, {"b": 2}, GOOD], "key_column": "b"}, "row 3"),
        ({"items": [GOOD, {"c": 2}], "key_column": "b"}, "row 2"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 10**30}, "concurrency"),
        ({"checkpoint_every": 51}, "checkpoint_every"),
        ({"rate": -1}, "rate"),
        ({"rate": "nan"}, "rate"),
        ({"item_timeout": 0}, "item_timeout"),
        ({"max_error_rate": 101}, "max_error_rate"),
        ({"id": "a/b"}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"name": "a\x00b"}, "name"),
        ({"status": "COMPLETED"}, "status"),
        ({"created_by": 1, "total_items": 0}, "created_by"),
    ],
)
def test_it_refuses_by_field_with_nothing_written(changes: dict[str, Any], field: str) -> None:
    answer = client("operator").post(URL, asked(**changes), format="json")
    assert answer.status_code == 400, answer.content
    assert field in answer.json()["errors"]
    assert not Batch.objects.exists()


def test_it_names_row_and_column_of_a_bad_file() -> None:
    body = {"processor": "check_rows", "params": json.dumps(SCHEMA), "file": upload("a,b\n1,2\n3\n")}
    answer = client("operator").post(URL, body, format="multipart")
    assert answer.status_code == 400
    assert answer.json()["line"] == 3
    assert not Batch.objects.exists()


@pytest.mark.any_database
@pytest.mark.parametrize(("text", "name"), [("", "rows.csv"), ("b\n1\n", "rows.exe"), ("b\n", "rows.csv")])
def test_it_refuses_a_file_without_rows(text: str, name: str) -> None:
    body = {"processor": "check_rows", "params": json.dumps(SCHEMA), "file": upload(text, name)}
    assert client("operator").post(URL, body, format="multipart").status_code == 400


@override_settings(PORTAL_MAX_UPLOAD_MB=0.001)
def test_it_refuses_a_file_over_the_limit() -> None:
    body = {"processor": "check_rows", "params": json.dumps(SCHEMA), "file": upload("b\n" + "1\n" * 1_000)}
    answer = client("operator").post(URL, body, format="multipart")
    assert answer.status_code == 400
    assert "PORTAL_MAX_UPLOAD_MB" in answer.json()["detail"]


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=100)
def test_it_refuses_json_over_the_limit() -> None:
    assert client("operator").post(URL, asked(name="x" * 100), format="json").status_code == 413
