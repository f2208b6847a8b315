"""A plug-in whose own code breaks while a batch is submitted: every door names it, and nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from batches.models import Batch
from tests.helpers.command_line import batch_command
from tests.helpers.people import UserOf, client, signed_in
from tests.helpers.with_params import NAME, Register

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]


class BrokenForm(forms.Form):
    api_key = forms.CharField(required=False)

    def clean(self) -> dict[str, Any]:
        raise KeyError(f"shop of {self.data['api_key']}")


class GoodForm(forms.Form):
    api_key = forms.CharField(required=False)


def breaks(params: Any, rows: Any) -> None:
    next(iter(rows))
    raise ZeroDivisionError(f"division by zero with {params['api_key']}")


@pytest.fixture(params=["the form", "the look at the rows"])
def problem(request: pytest.FixtureRequest, register: Register) -> str:
    """What is to be said of a plug-in of which this is broken."""
    if request.param == "the form":
        register(BrokenForm, lambda item, context: None)
        return f"Processor {NAME} broke when it checked the parameters: KeyError: 'shop of [redacted]'"
    register(GoodForm, lambda item, context: None, look_at_rows=breaks)
    return f"Processor {NAME} broke when it looked at the rows: ZeroDivisionError: division by zero with [redacted]"


@pytest.fixture(autouse=True)
def nothing_is_stored_and_no_secret_logged(db: None, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert not Batch.objects.exists()
    logged = "\n".join(record.getMessage() for record in caplog.get_records("call"))
    assert "test_broken_plug_ins.py" in logged
    assert "s3cr3t-key" not in logged


def test_rest_answers_with_a_problem_that_names_it(problem: str) -> None:
    body = {"processor": NAME, "items": [{"n": 1}], "params": {"api_key": "s3cr3t-key"}}
    answer = client("operator").post("/api/batches", body, format="json")
    assert (answer.status_code, answer.json()["errors"]) == (400, {"processor": [problem]})


def test_the_command_prints_it_in_one_line(problem: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([{"n": 1}]))
    code, _, complaint = batch_command("run", NAME, str(file), "--param", "api_key=s3cr3t-key")
    assert (code, complaint.splitlines()[-1]) == (2, problem)


def test_the_form_of_a_new_batch_shows_it(problem: str, user_of: UserOf) -> None:
    rows = SimpleUploadedFile("rows.csv", b"n\n1\n")
    answers = {"file": rows, "params.api_key": "s3cr3t-key"}
    answer = signed_in(user_of("operator")).post(reverse("admin:batches_batch_new", args=[NAME]), answers)
    assert answer.status_code == 200
    assert answer.context["form"].non_field_errors() == [problem]
