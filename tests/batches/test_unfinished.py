"""A long list is stored a piece a transaction on SQLite: others write in between, and nobody sees a batch but a whole
one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from batches import checkpoint_manager, operations, unfinished
from batches.exceptions import BatchConflict, ClientLeft, InvalidTransition, OperationInProgress, UnknownBatch
from batches.intake import staging
from batches.lifecycle import removals
from batches.models import Batch, Item
from batches.moments import moment
from batches.steps import Steps
from tests.helpers.batches import modes, ran, rows_written, submitted
from tests.helpers.command_line import batch_command
from tests.helpers.people import browser, client
from tests.helpers.resting import while_it_rests
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
ITEMS = modes(*["ok"] * 40)


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has as many writers as it needs")
    monkeypatch.setattr(staging, "FEWEST_ROWS", 20)
    for name in ("FEWEST", "MOST"):
        monkeypatch.setattr(staging, name, 10)
        monkeypatch.setattr(unfinished, name, 10)


Meanwhile = Callable[[Callable[[], Any]], list[Any]]


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Runs a function in a thread of its own whenever a piece was written; what it answered, each time."""
    return partial(while_it_rests, monkeypatch)


def submit(**options: Any) -> operations.Submission:
    return operations.submit(processor="test.do", items=ITEMS, batch_id="long", **options)


def submit_with_a_key() -> None:
    body = {"processor": "test.do", "items": ITEMS, "id": "long"}
    answer = client("operator").post("/api/batches", body, format="json", headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 201, answer.content


def run_again() -> None:
    operations.run_again("first", new_id="long")


def run_again_with_a_key() -> None:
    answers = [
        client("operator").post(
            "/api/batches/first/run_again",
            {"id": "long", "start": False},
            format="json",
            headers={"Idempotency-Key": "k1"},
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201], answers[-1].content
    assert "Idempotent-Replayed" in answers[1].headers


@pytest.mark.parametrize("store", [submit, submit_with_a_key, run_again, run_again_with_a_key])
def test_others_write_between_the_pieces_and_see_nothing_of_them(store: Callable[[], Any], between: Meanwhile) -> None:
    ran(ITEMS, batch_id="first")
    submitted(modes("ok"), batch_id="other")
    operations.start("other")

    def look() -> Any:
        operations.pause("other")
        operations.resume("other")
        rest, page = client("operator"), browser("admin")
        paths = ("", "/items", "/progress", "/map", "/transitions")
        items = page.get("/admin/batches/item/").content.decode()
        ids = Item.objects.filter(batch="long").values_list("pk", flat=True)[:1]
        pages = {page.get(f"/admin/batches/item/{pk}/change/").status_code for pk in ids}
        return (
            Batch.objects.filter(pk="long").exists(),
            ">long<" in items,
            pages,
            {rest.get(f"/api/batches/long{path}").status_code for path in paths},
            "long" in rest.get("/api/batches").content.decode(),
            "long" in batch_command("list", "--json")[1],
        )

    seen = between(look)
    store()
    assert seen == [(False, False, {404}, {404}, False, False)] * 4
    batch = operations.get_batch("long")
    assert list(batch.items.order_by("position").values_list("position", flat=True)) == list(range(40))
    assert (batch.status, batch.total_items, operations.verify("long")) == (Batch.Status.PENDING, 40, [])
    assert batch.fingerprint == operations.get_batch("first").fingerprint


DIES = """
import os, django
django.setup()
from batches import operations, unfinished
from batches.intake import staging
from batches.moments import moment
from batches.steps import Steps
staging.FEWEST_ROWS, staging.FEWEST, staging.MOST, rests = 20, 10, 10, []
def rest(steps):
    rests.append(1)
    if len(rests) == 2:
        os.kill(os.getpid(), 9)
Steps.rest = rest
items = [{"mode": "ok", "n": n} for n in range(40)]
operations.submit(processor="test.do", items=items, batch_id="long")
"""


def by_workers() -> None:
    unfinished.forget_left()
    assert (Item.objects.count(), Batch.with_unfinished.count()) == (0, 0)
    submit()


def by_who_sends_it_again() -> None:
    """There need be no worker."""
    submit()


def by_who_sends_less() -> None:
    with pytest.raises(OperationInProgress, match="was taken away: send it again"):
        submitted(modes("ok"), batch_id="long")
    submitted(modes("ok"), batch_id="long")


def killed_while_storing(in_process: Callable[..., subprocess.Popen[str]]) -> None:
    assert in_process(DIES).wait(PATIENCE) == -9
    assert Item.objects.filter(batch_id="long").count() == 20
    assert not Batch.objects.exists()
    with pytest.raises(UnknownBatch):
        operations.get_batch("long")


@pytest.mark.parametrize("take_away", [by_workers, by_who_sends_it_again, by_who_sends_less])
def test_what_a_killed_process_has_written_is_seen_by_nobody_and_taken_away(
    take_away: Callable[[], None], in_process: Callable[..., subprocess.Popen[str]]
) -> None:
    killed_while_storing(in_process)
    take_away()
    assert operations.verify("long") == []


@pytest.mark.parametrize("take_away", [by_workers, by_who_sends_it_again, by_who_sends_less])
def test_a_process_elsewhere_is_taken_for_alive_for_a_while_which_is_named(
    take_away: Callable[[], None], in_process: Callable[..., subprocess.Popen[str]]
) -> None:
    killed_while_storing(in_process)
    unfinished.being_stored().update(name="elsewhere:00000000:7:7")
    (last,) = unfinished.being_stored().values_list("created_at", flat=True)
    until = f"alive until {moment(last + unfinished.KEPT)}"
    with pytest.raises(OperationInProgress, match=until):
        submit()
    with pytest.raises(OperationInProgress, match=until):
        submitted(modes("ok"), batch_id="long")
    with pytest.raises(OperationInProgress, match=until):
        checkpoint_manager.save_checkpoint("long", 1, ["a"], [])
    unfinished.forget_left()
    assert Item.objects.count() == 20, "it may be alive"

    unfinished.being_stored().update(created_at=timezone.now() - unfinished.KEPT - timedelta(seconds=1))
    take_away()

    assert operations.verify("long") == []


def test_workers_take_away_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    began, stops = unfinished.begin("long"), iter([False, False, False])
    assert began is not None
    began.rows.update(created_at=timezone.now() - timedelta(hours=1))
    monkeypatch.setattr(removals, "sleep", lambda seconds: None)
    monkeypatch.setattr(removals, "close_old_connections", lambda: None)
    removals.keep_removing(lambda: next(stops, True))
    assert not Batch.with_unfinished.exists()


def test_who_was_taken_for_dead_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def rest(steps: Steps) -> None:
        unfinished.being_stored().update(created_at=timezone.now() - timedelta(hours=1))
        monkeypatch.setattr(Steps, "rest", lambda steps: None)
        unfinished.forget_left()

    monkeypatch.setattr(Steps, "rest", rest)
    with pytest.raises(OperationInProgress, match="took too long"):
        submit()
    assert (Item.objects.count(), Batch.with_unfinished.count()) == (0, 0)


def test_what_is_refused_at_last_leaves_nothing() -> None:
    before = rows_written()
    with pytest.raises(ClientLeft):
        submit(has_left=lambda: True)
    assert (rows_written(), Batch.with_unfinished.count()) == (before, 0)


def test_of_two_under_one_id_the_second_is_refused_and_later_the_same(between: Meanwhile) -> None:
    def again() -> Any:
        with pytest.raises(OperationInProgress, match="at this moment"):
            submit()
        return True

    refusals = between(again)
    first = submit()
    assert (first.created, refusals) == (True, [True] * 4)
    assert not submit().created
    with pytest.raises(BatchConflict):
        operations.submit(processor="test.do", items=modes(*["invalid"] * 40), batch_id="long")
    assert Item.objects.count() == 40


def test_within_a_transaction_of_the_callers_it_is_a_part_of_that() -> None:
    from django.db import transaction

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        submit()
        raise ZeroDivisionError
    assert (Item.objects.count(), Batch.with_unfinished.count()) == (0, 0)


def test_a_batch_that_goes_meanwhile_is_not_run_again(between: Meanwhile) -> None:
    ran(ITEMS, batch_id="first")
    between(lambda: operations.delete("first"))
    with pytest.raises(InvalidTransition, match="being removed"):
        run_again()
    assert set(Batch.with_unfinished.values_list("pk", flat=True)) == {"first"}
    assert Item.objects.count() == 40
