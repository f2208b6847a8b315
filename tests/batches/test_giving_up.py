"""Many items are given up a piece a transaction: others write in between, and what is killed says how far it came."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import operations
from batches.models import Batch
from batches.operations import giving_up
from batches.steps import Steps
from errors.models import ErrorRecord
from tests.helpers.batches import modes, statuses, submitted, worked_on
from tests.helpers.resting import while_it_rests
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(giving_up.FEWEST, connection.vendor, 10)
    monkeypatch.setattr(giving_up, "MOST", 10)


def waiting_batch() -> Batch:
    return worked_on(modes(*["later"] * 35))


def failed(batch: Batch) -> int:
    return statuses(batch).count("FAILED")


def line(batch: Batch) -> str:
    return batch.transitions.get(verb="give up").reason


@pytest.mark.usefixtures("_small_steps")
def test_others_write_while_many_items_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, other = waiting_batch(), submitted(modes("ok"))
    operations.start(other.pk)

    def press() -> tuple[int, str]:
        operations.pause(other.pk)
        operations.resume(other.pk)
        return failed(batch), line(batch)

    seen = while_it_rests(monkeypatch, press)
    assert operations.give_up(batch.pk, reason="enough", count=35) == 35
    assert seen == [(n, f"{n} of 35 items given up. enough") for n in (10, 20, 30)]
    batch.refresh_from_db()
    assert (batch.status, line(batch)) == (Batch.Status.COMPLETED, "35 items given up. enough")
    assert ErrorRecord.objects.filter(batch=batch, final=True).count() == 35
    assert operations.verify(batch.pk) == []


@pytest.mark.usefixtures("_small_steps")
def test_it_gives_up_no_more_of_a_batch_that_was_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = waiting_batch()
    monkeypatch.setattr(Steps, "rest", lambda steps: operations.cancel(batch.pk))
    assert operations.give_up(batch.pk) == 10
    assert (failed(batch), line(batch)) == (10, "10 of 35 items given up.")
    assert operations.verify(batch.pk) == []


DIES = """
import os, sys, django
django.setup()
from django.db import connection
from batches import operations
from batches.operations import giving_up
from batches.steps import Steps
giving_up.FEWEST[connection.vendor], giving_up.MOST, rests = 10, 10, []
def rest(steps):
    rests.append(1)
    if len(rests) == 2:
        os.kill(os.getpid(), 9)
Steps.rest = rest
operations.give_up(sys.argv[1])
"""


def test_who_is_killed_has_given_up_what_the_history_says_and_others_the_rest(
    in_process: Callable[..., subprocess.Popen[str]],
) -> None:
    batch = waiting_batch()
    assert in_process(DIES, batch.pk).wait(PATIENCE) == -9
    assert (failed(batch), statuses(batch).count("PENDING")) == (20, 15)
    assert line(batch) == "20 of 35 items given up."
    assert operations.verify(batch.pk) == []
    assert operations.give_up(batch.pk, count=15) == 15
    batch.refresh_from_db()
    assert (batch.status, failed(batch), operations.verify(batch.pk)) == (Batch.Status.COMPLETED, 35, [])


def test_the_records_of_others_are_not_read() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("of a few rows PostgreSQL reads all")
    batch = waiting_batch()
    with CaptureQueriesContext(connection) as queries:
        operations.give_up(batch.pk)
    (update,) = [query["sql"] for query in queries if query["sql"].startswith('UPDATE "errors_errorrecord"')]
    with connection.cursor() as cursor:
        plan = " ".join(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {update}"))
    assert "errors_errorrecord USING" in plan
    assert "item_id=?" in plan.split("errors_errorrecord USING")[1].split("SEARCH")[0], plan
