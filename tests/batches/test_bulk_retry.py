"""Bulk retries: what is meant is written down before it is touched, a few go first, and every item has its fate."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.db import connection

from batches import operations
from batches.engine import runner
from batches.exceptions import InvalidInput, InvalidTransition, UnknownBatch
from batches.lifecycle import retry_waves
from batches.models import Batch, Item, RetriedItem, Retry
from tests.helpers.batches import modes, ran, statuses
from tests.helpers.people import client
from tests.helpers.retries import again, broken, now_do, outcome

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def test_it_goes_on_with_the_rest_when_its_canary_recovers() -> None:
    batch = broken(30)
    now_do(batch, "ok")
    made = again(batch, canary=5, needed=5)
    assert (made.state, made.items, outcome(made)) == ("DONE", 30, {"recovered": 30})
    assert statuses(batch) == ["SUCCEEDED"] * 31


def test_it_holds_the_rest_when_its_canary_fails() -> None:
    batch = broken(30)
    made = again(batch, canary=5, needed=1)
    assert made.state == "HELD"
    assert outcome(made) == {"failed_again": 5, "failed_same": 5, "waiting": 25}
    assert "0 of the 5 items of the canary recovered" in made.note
    assert Batch.objects.get(pk=batch.pk).status == "COMPLETED"
    assert Item.objects.filter(batch=batch, attempts=1, status="FAILED").count() == 25


def test_it_goes_in_waves_of_a_few_a_hundred_and_all() -> None:
    batch = broken(150)
    now_do(batch, "ok")
    made = operations.retry(batch.pk, all_failed=True, canary=5)
    waves = []
    while made.state in Retry.UNDER_WAY:
        waves.append(Item.objects.filter(batch=batch, status="PENDING").count())
        runner.work_slice(batch.pk)
        made.refresh_from_db()
    assert waves == [5, 100, 45]


def test_it_resumes_a_held_one_when_a_person_says_so() -> None:
    batch = broken(10)
    held = again(batch, canary=2, needed=2)
    assert held.state == "HELD"
    now_do(batch, "ok")
    operations.resume_retry(batch.pk, held.number, actor="ana")
    runner.work_until_idle(batch.pk)
    held.refresh_from_db()
    assert (held.state, outcome(held)) == ("DONE", {"recovered": 8, "failed_again": 2, "failed_same": 2})
    assert operations.verify(batch.pk) == []


@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_it_loses_no_item_when_it_is_stopped(verb: str) -> None:
    batch = broken(30)
    before = list(Item.objects.filter(batch=batch).order_by("position").values_list("status", "lane", "code"))
    made = operations.retry(batch.pk, all_failed=True)
    getattr(operations, f"{verb}_retry")(batch.pk, made.number, actor="ana", reason="wrong ones")
    assert list(Item.objects.filter(batch=batch).order_by("position").values_list("status", "lane", "code")) == before
    runner.work_until_idle(batch.pk)
    assert operations.verify(batch.pk) == []
    made.refresh_from_db()
    assert made.state == {"cancel": "CANCELLED", "pause": "PAUSED"}[verb]
    assert outcome(made) == {"waiting": 30}


def test_it_goes_on_where_it_was_paused() -> None:
    batch = broken(10)
    now_do(batch, "ok")
    made = operations.retry(batch.pk, all_failed=True, canary=4)
    operations.pause_retry(batch.pk, made.number)
    runner.work_until_idle(batch.pk)
    operations.resume_retry(batch.pk, made.number)
    made.refresh_from_db()
    assert made.state == "CANARY"
    runner.work_until_idle(batch.pk)
    made.refresh_from_db()
    assert (made.state, outcome(made)) == ("DONE", {"recovered": 10})


def test_it_tells_those_that_failed_the_same_way_from_those_that_did_not() -> None:
    batch = broken(9)
    now_do(batch, "ok", 1, 3)
    now_do(batch, "invalid", 4, 6)
    made = again(batch)
    assert outcome(made) == {"recovered": 3, "failed_again": 6, "failed_same": 3, "failed_differently": 3}
    row = RetriedItem.objects.get(retry=made, item__position=5)
    assert (row.code_before, row.code_after) == ("NETWORK_ERROR", "PRICE")


def test_it_leaves_out_what_cannot_pass_unchanged_and_says_so() -> None:
    batch = ran(modes(*["invalid"] * 3, *["network"] * 4), max_attempts=1)
    now_do(batch, "ok")
    made = again(batch, canary=2)
    assert (made.items, outcome(made)) == (4, {"recovered": 4, "skipped": 3})
    assert "cannot pass unchanged" in RetriedItem.objects.filter(retry=made, fate="SKIPPED")[0].why
    assert outcome(again(batch)) == {"recovered": 3}


def test_it_means_what_had_failed_when_it_was_asked_for() -> None:
    batch = broken(6)
    now_do(batch, "ok")
    held = operations.retry(batch.pk, all_failed=True, canary=2)
    Item.objects.filter(batch=batch, position=6).update(status="SUCCEEDED", failed_at=None)
    runner.work_slice(batch.pk)
    runner.work_until_idle(batch.pk)
    held.refresh_from_db()
    assert outcome(held) == {"recovered": 5, "skipped": 1}
    assert held.retried.get(fate="SKIPPED").why == "It was not failed any more."


@pytest.mark.parametrize(
    ("scope", "positions"),
    [
        ({"positions": [2, 3]}, [2, 3]),
        ({"code": "PRICE"}, [4]),
        ({"field": {"name": "n", "value": 3}}, [3]),
        ({"item_keys": ["1"]}, [1]),
    ],
)
def test_it_takes_the_items_that_are_named(scope: dict[str, Any], positions: list[int]) -> None:
    batch = ran(modes("ok", "network", "network", "network", "invalid"), max_attempts=1)
    if "item_keys" in scope:
        scope = {"item_keys": [Item.objects.get(batch=batch, position=1).key]}
    made = operations.retry(batch.pk, **scope)
    assert list(made.retried.order_by("item__position").values_list("item__position", flat=True)) == positions


@pytest.mark.parametrize(
    "asked",
    [
        {"all_failed": True, "canary": -1},
        {"all_failed": True, "canary": 3, "needed": 4},
        {"all_failed": True, "rate": 0},
        {"all_failed": True, "rate": float("nan")},
        {"positions": [3, 1]},
        {"positions": ["a", "b"]},
        {"failed_between": ["yesterday", "today"]},
        {"code": "a\x00"},
        {"field": {"name": "n"}},
        {"all_failed": True, "code": "X"},
        {"code": "NOBODY_HAS_IT"},
    ],
)
@pytest.mark.full
def test_it_refuses_nonsense_and_touches_nothing(asked: dict[str, Any]) -> None:
    batch = broken(2)
    with pytest.raises(InvalidInput):
        operations.retry(batch.pk, **asked)
    assert not Retry.objects.exists()
    assert statuses(batch) == ["SUCCEEDED", "FAILED", "FAILED"]


def test_it_is_one_retry_under_one_key() -> None:
    batch = broken(2)
    first = operations.retry(batch.pk, all_failed=True, key="monday")
    assert operations.retry(batch.pk, all_failed=True, key="monday").pk == first.pk
    assert Retry.objects.count() == 1


def test_it_refuses_a_verb_that_is_illegal_now() -> None:
    batch = broken(2)
    made = again(batch)
    for verb in ("pause", "resume", "cancel"):
        with pytest.raises(InvalidTransition):
            getattr(operations, f"{verb}_retry")(batch.pk, made.number)
    with pytest.raises(UnknownBatch):
        operations.get_retry(batch.pk, 99)


def test_it_is_given_up_with_its_batch() -> None:
    batch = broken(5)
    made = operations.retry(batch.pk, all_failed=True, canary=2)
    operations.cancel(batch.pk)
    made.refresh_from_db()
    assert (made.state, made.note) == ("CANCELLED", "The batch is cancelled.")


def test_it_is_taken_up_by_the_next_sweep_when_its_worker_died_between_two_waves(monkeypatch: Any) -> None:
    batch = broken(10)
    now_do(batch, "ok")
    made = operations.retry(batch.pk, all_failed=True, canary=2)
    with monkeypatch.context() as dying:
        dying.setattr(retry_waves, "advance", lambda batch_id: False)
        runner.work_slice(batch.pk)
    assert outcome(made) == {"recovered": 2, "waiting": 8}
    assert Batch.objects.get(pk=batch.pk).status == "RUNNING"
    operations.sweep()
    runner.work_until_idle(batch.pk)
    made.refresh_from_db()
    assert (made.state, outcome(made)) == ("DONE", {"recovered": 10})


def test_it_puts_items_back_no_faster_than_asked() -> None:
    batch = broken(4)
    operations.retry(batch.pk, all_failed=True, rate=2)
    due = list(
        Item.objects.filter(batch=batch, status="PENDING").order_by("position").values_list("available_at", flat=True)
    )
    steps = {round((later - earlier).total_seconds(), 3) for earlier, later in itertools.pairwise(due)}
    assert steps == {0.5}


def test_it_is_begun_over_rest_once_under_a_key() -> None:
    address = f"/api/batches/{broken(10).pk}/retry"
    body = {"all_failed": True, "canary": 3, "needed": 2}
    made, again = (
        client("operator").post(address, body, format="json", headers={"Idempotency-Key": "k1"}) for _ in range(2)
    )
    assert (made.status_code, again.json()["number"]) == (202, made.json()["number"])
    assert (made.json()["state"], made.json()["canary"], made.json()["items"]) == ("CANARY", 3, 10)
    wrong = client("operator").post(address, {"all_failed": True, "canary": "x"}, format="json")
    assert wrong.status_code == 400


def test_it_is_steered_over_rest() -> None:
    batch = broken(10)
    operator, viewer = client("operator"), client("viewer")
    operations.retry(batch.pk, all_failed=True, canary=3)
    one = f"/api/batches/{batch.pk}/retries/1"
    assert operator.post(f"{one}/pause", {"reason": "lunch"}, format="json").json()["state"] == "PAUSED"
    assert operator.post(f"{one}/pause", {}, format="json").status_code == 409
    assert viewer.post(f"{one}/cancel", {}, format="json").status_code == 403
    assert viewer.get(one).json()["outcome"]["waiting"] == 10
    assert operator.post(f"{one}/cancel", {}, format="json").json()["state"] == "CANCELLED"
    assert [row["number"] for row in viewer.get(f"/api/batches/{batch.pk}/retries").json()] == [1]


def test_it_asks_the_database_no_more_for_more_items() -> None:
    from django.test.utils import CaptureQueriesContext

    counts = []
    for size in (20, 200):
        batch = broken(size)
        with CaptureQueriesContext(connection) as asked:
            operations.retry(batch.pk, all_failed=True)
        counts.append(len(asked))
    assert counts[1] <= counts[0] + 4
