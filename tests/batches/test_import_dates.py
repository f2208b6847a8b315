"""Dates that could be two: asked once for a column, at every door, with what each answer means."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command

from batches import operations
from batches.engine import runner
from batches.exceptions import InvalidInput
from batches.models import Batch
from batches.pages.new_batch_form import NewBatchForm
from batches.processors import get

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]
ROWS = b"username,date_joined,last_login\nann,2026-01-01,03/04/26\nben,05/06/2026,7/7/2026\ncid,31/12/2026,\n"
PARAMS = {"model": "auth.User", "key_field": "username"}
ANSWERS = "date_joined=day-first, last_login=month-first"
STORED = [("2026-01-01", "2026-03-04"), ("2026-06-05", "2026-07-07"), ("2026-12-31", "None")]
JOINED = "date_joined: 05/06/2026 in row 3 is 5 June 2026 if the day comes first, and 6 May 2026 if the month does. "
ONLY = "Row 4, 31/12/2026, is a date only if the day comes first. "


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    settings.PORTAL_IMPORT_MODELS = [f"auth.User.{name}" for name in ("username", "date_joined", "last_login")]


def submitted(content: bytes = ROWS, **params: Any) -> Batch:
    file = io.BytesIO(content)
    return operations.submit(
        processor="import_rows", params={**PARAMS, **params}, file=file, filename="f.csv", batch_id="people"
    ).batch


def stored_after(batch_id: str) -> list[tuple[str, str]]:
    operations.start(batch_id)
    runner.work_until_idle(batch_id)
    return stored()


def stored() -> list[tuple[str, str]]:
    users = User.objects.filter(username__in=("ann", "ben", "cid")).order_by("username")
    return [(f"{user.date_joined:%Y-%m-%d}", str(user.last_login).partition(" ")[0]) for user in users]


def test_it_asks_for_every_column_at_once_with_what_each_answer_means() -> None:
    with pytest.raises(InvalidInput) as refused:
        submitted()
    login, joined = refused.value.errors["params.dates"]
    assert joined.startswith(JOINED + ONLY)
    assert joined.endswith("Choose for the column: date_joined=day-first or date_joined=month-first.")
    assert "03/04/26 in row 2 is 3 April 2026" in login
    assert not Batch.objects.exists()


def test_it_asks_only_for_columns_without_an_answer() -> None:
    with pytest.raises(InvalidInput) as refused:
        submitted(dates="last_login=month-first")
    (question,) = refused.value.errors["params.dates"]
    assert question.startswith(JOINED)


@pytest.mark.parametrize("dates", [ANSWERS, {"date_joined": "day-first", "": "month-first"}])
def test_it_reads_each_column_in_its_own_order(dates: Any) -> None:
    assert stored_after(submitted(dates=dates).pk) == STORED


def test_it_asks_nothing_where_no_date_could_be_two() -> None:
    rows = b"username,date_joined,last_login\nann,2026-01-02,\nben,5/5/2026,12/31/2026\n"
    assert submitted(rows).total_items == 2


def test_it_shows_no_date_of_a_masked_column(settings: Any) -> None:
    settings.PORTAL_REDACT = [*settings.PORTAL_REDACT, "date_joined"]
    with pytest.raises(InvalidInput, match="date_joined: a date in row 3 could be two") as refused:
        submitted(dates="last_login=month-first")
    assert "2026" not in str(refused.value).replace("2026-12-31", "")


@pytest.mark.parametrize(
    ("dates", "words"),
    [
        ("sideways", "'sideways' is no order of dates: write day-first or month-first."),
        ("joined=day-first", "auth.User has no date 'joined'; it has: last_login, date_joined."),
    ],
)
def test_it_refuses_an_answer_that_means_nothing(dates: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        submitted(dates=dates)
    assert refused.value.errors == {"params.dates": [words]}


def test_a_page_asks_at_the_field_and_takes_the_answer(admin_user: Any) -> None:
    def form(dates: str) -> NewBatchForm:
        data = {f"params.{name}": value for name, value in {**PARAMS, "dates": dates}.items()}
        filled = NewBatchForm(get("import_rows"), data, {"file": SimpleUploadedFile("f.csv", ROWS)})
        assert filled.is_valid(), filled.errors
        return filled

    unanswered, answered = form(""), form(ANSWERS)
    assert unanswered.submit(admin_user) is None
    assert JOINED in unanswered["params.dates"].errors[1]
    batch = answered.submit(admin_user)
    assert batch is not None
    assert stored_after(batch.pk) == STORED


def test_rest_asks_at_the_parameter_and_takes_an_object(admin_client: Any) -> None:
    def answer(**dates: Any) -> Any:
        items = [{"username": "ann", "date_joined": "05/06/2026"}]
        body = {"processor": "import_rows", "params": PARAMS | dates, "items": items}
        return admin_client.post("/api/batches", json.dumps(body), "application/json")

    refused = answer()
    assert (refused.status_code, "is 5 June 2026" in refused.json()["errors"]["params.dates"][0]) == (400, True)
    assert answer(dates={"date_joined": "day-first"}).status_code == 201


def test_the_command_line_asks_and_takes_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(ROWS)

    def exit_code(*more: str) -> Any:
        given = [f"--param={name}={value}" for name, value in PARAMS.items()]
        with pytest.raises(SystemExit) as ended:
            call_command("batch", "run", "import_rows", str(path), "--id=people", "--detach", *given, *more)
        return ended.value.code

    assert exit_code() != 0
    assert JOINED in capsys.readouterr().err
    assert exit_code(f"--param=dates={ANSWERS}") == 0
    runner.work_until_idle("people")
    assert stored() == STORED
