"""Idempotency-Key: the same request again gets the first answer, and does nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.utils import timezone

from batches import operations
from batches.models import Batch, IdempotencyRecord, Transition
from tests.helpers.check_rows import GOOD, asked, submitted
from tests.helpers.people import client
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.django_db


def post(path: str, body: Any, key: str = "k", role: str = "operator", kind: str = "json") -> Any:
    return client(role).post(path, body, format=kind, headers={"Idempotency-Key": key})


def test_it_submits_once() -> None:
    first, second = post("/api/batches", asked()), post("/api/batches/", asked())
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert first.headers["Location"] == second.headers["Location"]
    assert Batch.objects.count() == 1


def test_it_acts_once() -> None:
    submitted()
    post("/api/batches/b1/start", {})
    operations.pause("b1")
    again = post("/api/batches/b1/start", {})
    assert (again.status_code, again.json()["status"]) == (202, "QUEUED")
    assert operations.get_batch("b1").status == "PAUSED"


def test_it_refuses_the_key_for_another_body() -> None:
    post("/api/batches", asked())
    other = post("/api/batches", asked(items=[GOOD]))
    assert other.status_code == 422
    assert Batch.objects.count() == 1


def test_it_tells_files_apart() -> None:
    def form(text: bytes) -> dict[str, Any]:
        return {"processor": "check_rows", "params": '{"schema": "{}"}', "file": SimpleUploadedFile("a.csv", text)}

    assert post("/api/batches", form(b"b\n1\n"), kind="multipart").status_code == 201
    assert post("/api/batches", form(b"b\n1\n"), kind="multipart").status_code == 201
    assert post("/api/batches", form(b"b\n2\n"), kind="multipart").status_code == 422
    assert Batch.objects.count() == 1


def test_it_keeps_users_and_addresses_apart() -> None:
    submitted("one")
    submitted("two")
    assert post("/api/batches/one/start", {}).status_code == 202
    assert post("/api/batches/two/start", {}).status_code == 202
    assert post("/api/batches/one/start", {}, role="admin").status_code == 409


def test_it_forgets_a_refusal() -> None:
    submitted()
    assert post("/api/batches/b1/pause", {}).status_code == 409
    operations.start("b1")
    assert post("/api/batches/b1/pause", {}).status_code == 202


def test_it_forgets_what_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    start, submitted_batch = operations.start, submitted()

    def started_then_broken(*args: Any, **kwargs: Any) -> Batch:
        start(*args, **kwargs)
        raise ZeroDivisionError

    monkeypatch.setattr(operations, "start", started_then_broken)
    assert post("/api/batches/b1/start", {}).status_code == 500
    assert Transition.objects.filter(batch=submitted_batch, verb="start").count() == 0
    monkeypatch.undo()
    assert post("/api/batches/b1/start", {}).status_code == 202


def test_it_forgets_after_a_day() -> None:
    submitted()
    post("/api/batches/b1/start", {})
    IdempotencyRecord.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert post("/api/batches/b1/start", {}).status_code == 409


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_it_refuses_a_key_that_is_none(key: str) -> None:
    submitted()
    assert post("/api/batches/b1/start", {}, key).status_code == 400
    assert operations.get_batch("b1").status == "PENDING"


def test_it_lets_nobody_see_a_remembered_answer_who_lost_the_right() -> None:
    submitted()
    post("/api/batches/b1/start", {}, role="operator")
    operator = client("operator")
    from django.contrib.auth.models import User

    User.objects.get(username="operator").user_permissions.clear()
    assert operator.post("/api/batches/b1/start", {}, headers={"Idempotency-Key": "k"}).status_code == 403


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite's single writer makes the second wait instead")
def test_it_answers_409_while_the_first_is_being_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    submitted()
    start, inside, go_on = operations.start, threading.Event(), threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Batch:
        inside.set()
        go_on.wait(PATIENCE)
        return start(*args, **kwargs)

    def first() -> None:
        post("/api/batches/b1/start", {})
        connections.close_all()

    monkeypatch.setattr(operations, "start", slow)
    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(PATIENCE)
    assert post("/api/batches/b1/start", {}).status_code == 409
    go_on.set()
    thread.join(PATIENCE)
    assert post("/api/batches/b1/start", {}).status_code == 202
    assert connection.vendor == "postgresql"
