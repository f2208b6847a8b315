"""Fix and resubmit over REST and the command line: the difference first, then the retry, and every refusal told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from batches import operations
from batches.engine import runner
from batches.intake import fixes
from batches.intake.corrections import HIDDEN
from batches.models import Correction, Fix, Item, Retry
from tests.helpers.check_rows import committed, finished
from tests.helpers.command_line import batch_command
from tests.helpers.people import client

pytestmark = [committed, pytest.mark.full_on("postgresql")]
URL = "/api/batches/b1/fixes"


def rows(*changed: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"_item_key": str(number), "_error_code": "x"} | row for number, row in enumerate(changed, 2)]


def failed(count: int = 2) -> None:
    finished(items=({"b": 1}, *({"a": n, "secret": f"s-{n}"} for n in range(count))))


def upload(content: str, name: str = "fix.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode())


def post(url: str = URL, role: str = "operator", **said: Any) -> Any:
    return client(role).post(url, said, format="multipart" if "file" in said else "json")


def test_a_dry_run_tells_the_difference_and_keeps_nothing() -> None:
    failed()
    answer = post(f"{URL}?dry_run=1", items=rows({"a": 0, "b": 2, "secret": "[redacted]"}, {"a": "1", "secret": "new"}))
    assert answer.status_code == 200
    said = answer.json()
    assert (said["changed"], said["unchanged"], said["refused"], said["not_in_file"]) == (2, 0, 0, 0)
    assert (said["number"], said["retry"], said["state"]) == (None, None, "CHECKED")
    first, second = said["diff"]
    assert (first["row"], first["item_key"]) == (1, "2")
    assert first["changes"] == [{"field": "b", "new": 2, "note": ""}]
    assert second["changes"] == [
        {"field": "a", "old": 1, "new": "1", "note": "was number, becomes text"},
        {"field": "secret", "old": "[redacted]", "new": "[redacted]", "note": HIDDEN},
    ]
    assert Fix.objects.count() == Correction.objects.count() == 0


def test_a_file_corrects_and_retries_its_rows() -> None:
    failed()
    answer = post(file=upload("a,secret,b,_item_key\n0,[redacted],5,2\n"), reason="by hand")
    assert answer.status_code == 202
    said = answer.json()
    assert (said["number"], said["changed"], said["not_in_file"], said["state"]) == (1, 1, 1, "APPLIED")
    assert (said["retry"]["kind"], said["retry"]["items"], said["retry"]["reason"]) == ("fix", 1, "by hand")
    assert answer.headers["Location"] == "/api/batches/b1/retries/1"
    runner.work_until_idle("b1")
    assert Item.objects.get(key="2").payload == {"a": 0, "b": 5, "secret": "s-0"}
    assert client("viewer").get(answer.headers["Location"]).json()["outcome"]["recovered"] == 1
    again = post(file=upload("a,secret,b,_item_key\n0,[redacted],5,2\n"))
    assert (again.status_code, again.json()["retry"]["number"], Retry.objects.count()) == (202, 1, 1)
    assert [row["number"] for row in client("viewer").get(URL).json()] == [1]
    (row,) = client("viewer").get(f"{URL}/1/rows?verdict=CHANGED").json()["results"]
    assert row["changes"] == [{"field": "b", "new": 5, "note": ""}]


def test_a_refusal_names_row_column_and_remedy() -> None:
    failed()
    answer = post(items=rows({"a": 0, "b": 2, "secret": "x"}, {"a": 1, "b": 3, "secret": "a [redacted]"}))
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    said = answer.json()
    assert said["errors"] == {
        "row 2": [
            "column 'secret': [redacted] stands for a hidden value, and is none itself. "
            "Write the real value, or leave the field as it was downloaded."
        ]
    }
    assert "Nothing was changed." in said["detail"]
    assert not Fix.objects.exists()
    answer = post(file=upload("a,b\n1,2\n"))
    assert (answer.status_code, answer.json()["row"], answer.json()["column"]) == (400, 1, "_item_key")
    assert post(file=upload("")).status_code == post(file=upload("x", "x.exe")).status_code == 400
    assert post().status_code == post(items=rows({}), nonsense=1).status_code == 400
    assert post("/api/batches/nope/fixes", items=rows({"b": 1})).status_code == 404


def test_it_is_refused_while_the_batch_runs_and_to_who_may_not() -> None:
    failed()
    assert post(role="viewer", items=rows({"b": 1})).status_code == 403
    operations.retry("b1", all_failed=True)
    answer = post(items=rows({"a": 0, "b": 1, "secret": "x"}))
    assert (answer.status_code, answer.json()["current_status"]) == (409, "QUEUED")


def test_the_same_key_answers_the_first_response_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key's transaction, for which others may have to wait, begins when the file is checked."""
    failed()
    judged, held = fixes.corrections, []

    def judge(*arguments: Any, **options: Any) -> Any:
        held.append(connection.in_atomic_block)
        return judged(*arguments, **options)

    monkeypatch.setattr(fixes, "corrections", judge)
    key = {"Idempotency-Key": "k1"}
    operator, body = client("operator"), {"items": rows({"a": 0, "b": 1, "secret": "x"})}
    first = operator.post(URL, body, format="json", headers=key)
    assert operator.post(URL, body, format="json", headers=key).json() == first.json()
    other = {"items": rows({"a": 0, "b": 2, "secret": "x"})}
    assert operator.post(URL, other, format="json", headers=key).status_code == 422
    assert held == [False]


def test_the_command_line_shows_the_difference_and_applies_it(tmp_path: Path) -> None:
    failed()
    file = tmp_path / "fix.csv"
    file.write_text("a,secret,b,_item_key\n0,new,5,2\n1,[redacted],,3\n")
    code, out, _ = batch_command("fix", "b1", str(file), "--dry-run")
    assert code == 0
    assert "1 changed, 1 unchanged" in out
    assert 'row 2, item 2: secret "[redacted]" -> "[redacted]"; b (none) -> 5' in out
    assert not Fix.objects.exists()
    code, out, _ = batch_command("fix", "b1", str(file), "--json")
    assert (code, json.loads(out)["retry"]["items"]) == (0, 1)
    runner.work_until_idle("b1")
    file.write_text("a,secret,b,_item_key\n0,new,5,99\n")
    code, _, err = batch_command("fix", "b1", str(file))
    assert code == 2
    assert "None of its 1 key" in err
    code, _, err = batch_command("fix", "b1", str(tmp_path / "none.csv"))
    assert code == 2
