"""A disk so full that not even the pause of a batch can be stored is spoken of, by those who have met it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection

from batches import operations
from batches.engine import disk_full
from batches.lifecycle import full_database, holdups, waiting_for_room
from batches.no_room import refusals
from tests.helpers.batches import modes, submitted
from tests.helpers.people import client, person, signed_in

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]
FULL = OperationalError("database or disk is full")
NOTICE = "The database's disk is full, and nothing can be written, since"


def refuse(*arguments: Any, **options: Any) -> None:
    raise FULL


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(full_database, "monotonic", lambda: now[0])
    monkeypatch.setattr(full_database, "looks", waiting_for_room.Pauses(full_database.LONGEST_PAUSE))
    return now


def test_what_this_process_was_refused_is_said_until_there_is_room(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = submitted(modes("ok"))
    assert client("anonymous").get("/readyz").content == b"degraded: no worker"
    monkeypatch.setattr(operations, "start", refuse)
    assert client("operator").post(f"/api/batches/{batch.pk}/start").status_code == 507
    (notice, *_) = client("viewer").get("/api/workers/notices").json()["notices"]
    assert (notice["before"], "Free under PORTAL_VAR" in notice["after"]) == (NOTICE, True)
    assert "and nothing can be written, since" in signed_in(person("admin")).get("/admin/").content.decode()
    assert client("anonymous").get("/readyz").content == b"degraded: the database's disk is full, no worker"
    monkeypatch.setattr(waiting_for_room, "there_is_room", lambda: False)
    clock[0] += 5
    assert holdups.notices()[0].before == NOTICE
    monkeypatch.setattr(waiting_for_room, "there_is_room", lambda: True)
    assert holdups.notices()[0].before == NOTICE  # the next look is ten seconds after the one before
    clock[0] += 10
    assert holdups.notices() == []
    assert client("anonymous").get("/readyz").content == b"degraded: no worker"


def test_a_page_that_could_not_store_is_remembered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "submit", refuse)
    visitor = signed_in(person("admin"))
    visitor.raise_request_exception = False
    form = {"file": SimpleUploadedFile("a.csv", b"n\n1\n"), "params.schema": "{}", "concurrency": "1"}
    answer = visitor.post("/admin/batches/batch/add/check_rows/", form)
    assert (answer.status_code, refusals.since is not None) == (507, True)


def test_other_refusals_of_the_database_are_none_of_a_disk() -> None:
    for error in (OperationalError("canceling statement due to statement timeout"), OSError(28, "No space"), None):
        refusals.note(error)
    assert refusals.since is None


def test_what_a_worker_waits_with_every_process_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that has written nothing: on PostgreSQL by the worker's lock; SQLite's disk is that of this machine."""
    if connection.vendor != "postgresql":
        pytest.skip("its disk is this machine's")
    seen: list[tuple[bool, bool]] = []

    def write() -> Iterator[None]:
        for _ in range(2):
            seen.append(seen_by_another())
            yield

    steps = write()

    def until_there_is_room() -> str:
        try:
            next(steps)
        except StopIteration:
            return "written"
        raise FULL

    monkeypatch.setattr(disk_full, "TRY_EVERY", 0.0)
    assert disk_full.insist(until_there_is_room, lambda: False) == "written"
    assert seen == [(False, False), (True, True)]
    assert seen_by_another() == (False, False)
    full_database.show(FULL)
    assert seen_by_another() == (True, True)
    connection.close()  # as when the worker is killed
    assert seen_by_another() == (False, False)


def seen_by_another() -> tuple[bool, bool]:
    """By what each page asks of the database, twice: who looks leaves nothing behind."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        answers = []
        for _ in range(2):
            cursor.execute(f"SELECT {full_database.seen_by_worker()}")
            answers.append(bool(cursor.fetchone()[0]))
    return answers[0], answers[1]
