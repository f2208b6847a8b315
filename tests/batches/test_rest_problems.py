"""Whatever is wrong with a request, it gets a problem document and never a 5xx of ours."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from batches import operations
from batches.exceptions import BatchError, IdempotencyConflict, InputRefused, OperationInProgress
from batchportal.api import problem_response
from tests.helpers.people import client

pytestmark = [pytest.mark.any_database, pytest.mark.django_db]


def is_problem(answer: Any, status: int) -> bool:
    document = answer.json()
    return (
        answer.status_code == document["status"] == status
        and answer.headers["Content-Type"] == "application/problem+json"
        and {"type", "title", "detail"} <= set(document)
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"processor": "\\ud800"}',
        b'{"\\ud800": 1}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"1" * 5_000,
        b"null",
        b"",
    ],
)
@pytest.mark.parametrize("path", ["/api/batches", "/api/batches/b1/start", "/api/batches/b1/retry"])
def test_it_refuses_json_that_is_none(path: str, body: bytes) -> None:
    answer = client("operator").post(path, body, content_type="application/json")
    assert is_problem(answer, 404 if path != "/api/batches" and body == b"" else 400), answer.content


@pytest.mark.parametrize(
    ("body", "boundary"), [(b"--x\r\nbroken", "x"), (b"", "x"), (b"--x\r\n\r\n--x--", ""), (b"\x00" * 50, "\x00")]
)
def test_it_refuses_a_broken_form(body: bytes, boundary: str) -> None:
    answer = client("operator").post("/api/batches", body, content_type=f"multipart/form-data; boundary={boundary}")
    assert is_problem(answer, 400), answer.content


def test_it_refuses_a_form_of_too_many_fields() -> None:
    answer = client("operator").post("/api/batches", {f"f{n}": "x" for n in range(2_100)}, format="multipart")
    assert is_problem(answer, 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"])
def test_it_refuses_other_media_types(kind: str) -> None:
    assert is_problem(client("operator").post("/api/batches", b"a=1", content_type=kind), 415)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_it_refuses_other_methods(method: str) -> None:
    assert is_problem(getattr(client("admin"), method)("/api/batches"), 405)


@pytest.mark.parametrize(
    "path", ["/api/", "/api/nope", "/api/batches//items", "/api/batches/b1/explode", "/api/processors/x"]
)
def test_it_knows_no_other_address(path: str) -> None:
    assert is_problem(client("operator").get(path), 404)


def test_it_answers_json_whatever_is_accepted() -> None:
    assert is_problem(client("viewer").get("/api/batches/nope", headers={"Accept": "text/html, */*"}), 404)
    assert is_problem(client("viewer").get("/api/batches", headers={"Accept": "image/png"}), 406)
    assert is_problem(client("anonymous").get("/api/docs", headers={"Accept": "text/html"}), 401)
    assert is_problem(client("anonymous").get("/api/schema"), 401)


def test_it_says_503_when_the_database_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("server at 10.0.0.1 closed the connection")

    viewer = client("viewer")
    monkeypatch.setattr(operations, "get_batch", unreachable)
    answer = viewer.get("/api/batches/b1")
    assert is_problem(answer, 503)
    assert answer.headers["Retry-After"]
    assert "10.0.0.1" not in answer.content.decode()


def test_it_says_no_more_than_500_of_our_own_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError("canary")

    viewer = client("viewer")
    monkeypatch.setattr(operations, "get_batch", broken)
    answer = viewer.get("/api/batches/b1")
    assert is_problem(answer, 500)
    assert "canary" not in answer.content.decode()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (IdempotencyConflict("x"), 422),
        (OperationInProgress("x"), 409),
        (InputRefused("Bad.", remedy="Mend it.", row=3, line=4, column="b"), 400),
        (BatchError("x"), 400),
    ],
)
def test_it_has_a_status_for_every_refusal(error: Exception, status: int, rf: Any) -> None:
    answer = problem_response(error, {"request": rf.get("/")})
    assert answer is not None
    assert answer.status_code == status


def test_it_names_the_place_of_a_bad_row(rf: Any) -> None:
    error = InputRefused("Bad.", remedy="Mend it.", row=3, line=4, column="b")
    answer = problem_response(error, {"request": rf.get("/")})
    assert answer is not None
    assert {"row": 3, "line": 4, "column": "b"}.items() <= answer.data.items()
    assert list(answer.data["errors"]) == ["row 3"]
