"""Items set aside: nothing runs or retries them, the rest goes on, and they come back as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import operations
from batches.engine import runner
from batches.exceptions import InvalidInput, InvalidTransition, ScopeChanged, UnknownBatch
from batches.lifecycle import retry_selection
from batches.models import Batch, Checkpoint, Item, Quarantine, QuarantinedItem, Retry
from tests.helpers.batches import modes, ran, statuses, submitted
from tests.helpers.people import client
from tests.helpers.waiting import PATIENCE

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("sqlite")]


def whole(batch: Batch) -> None:
    assert operations.verify(batch.pk) == []


def now_ok(batch: Batch) -> None:
    for row in Item.objects.filter(batch=batch):
        row.payload["mode"] = "ok"
        row.save(update_fields=["payload"])


def test_it_takes_failed_items_out_of_every_retry_and_gives_them_back() -> None:
    batch = ran(modes("ok", *["network"] * 5), max_attempts=1)
    before = list(Item.objects.filter(batch=batch).order_by("position").values())
    made = operations.quarantine(batch.pk, positions=[1, 2], actor="ana", reason="call them first")
    assert (made.items, statuses(batch)[1:]) == (2, ["QUARANTINED"] * 2 + ["FAILED"] * 3)
    whole(batch)
    now_ok(batch)
    again = operations.retry(batch.pk, all_failed=True)
    assert (again.items, again.outcome()["skipped"]) == (3, 2)
    assert {row.why for row in again.retried.filter(fate="SKIPPED")} == {retry_selection.QUARANTINED}
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED", "QUARANTINED", "QUARANTINED", *["SUCCEEDED"] * 3]
    operations.release(batch.pk, made.number, actor="ben")
    after = list(Item.objects.filter(batch=batch).order_by("position").values())
    assert [row["status"] for row in after[1:3]] == ["FAILED", "FAILED"]
    assert [(row["lane"], row["code"], row["attempts"]) for row in after[1:3]] == [
        (row["lane"], row["code"], row["attempts"]) for row in before[1:3]
    ]
    whole(batch)
    with pytest.raises(InvalidTransition):
        operations.release(batch.pk, made.number)


def test_it_counts_by_lane_what_had_failed_waited_and_been_put_back() -> None:
    batch = submitted(modes(*["network", "ok"] * 20), concurrency=4, max_attempts=1, checkpoint_every=2)
    operations.start(batch.pk)
    lanes = Checkpoint.objects.filter(batch=batch).count() or 1
    for lane in range(min(3, lanes)):
        chunks = [1, 2]
        runner.work_slice(batch.pk, lane, on_chunk=chunks.pop, should_stop=lambda chunks=chunks: not chunks)
    operations.pause(batch.pk)
    failed = Item.objects.filter(batch=batch, status=Item.Status.FAILED)
    assert failed.values("lane").distinct().count() == min(3, lanes)
    operations.retry(batch.pk, item_keys=[failed.order_by("position").values_list("key", flat=True)[0]])
    before = list(Item.objects.filter(batch=batch).order_by("position").values("status", "lane", "message", "attempts"))
    made = operations.quarantine(batch.pk, positions=[0, 39])
    assert set(statuses(batch)) == {"SUCCEEDED", "QUARANTINED"}
    whole(batch)
    operations.release(batch.pk, made.number)
    whole(batch)
    after = list(Item.objects.filter(batch=batch).order_by("position").values("status", "lane", "message", "attempts"))
    assert after == before
    runner.work_until_idle(batch.pk)
    whole(batch)


def test_it_takes_as_many_statements_however_many_items_there_are() -> None:
    taken = []
    for items in (30, 2_100):
        batch = ran(modes(*["invalid"] * items), batch_id=f"of-{items}")
        with CaptureQueriesContext(connection) as statements:
            made = operations.quarantine(batch.pk, all_failed=True)
            operations.release(batch.pk, made.number)
        assert made.items == items
        taken.append(len(statements))
    assert taken[0] == taken[1]


def test_it_runs_the_rest_of_a_batch_without_the_items_that_wait() -> None:
    batch = submitted(modes(*["ok"] * 6))
    operations.start(batch.pk)
    operations.pause(batch.pk)
    made = operations.quarantine(batch.pk, field={"name": "n", "value": 4})
    operations.resume(batch.pk)
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    assert batch.status == "COMPLETED"
    assert statuses(batch) == ["SUCCEEDED"] * 4 + ["QUARANTINED", "SUCCEEDED"]
    whole(batch)
    operations.release(batch.pk, made.number)
    batch.refresh_from_db()
    assert batch.status == "QUEUED"
    whole(batch)
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"] * 6
    assert Item.objects.get(batch=batch, position=4).message == ""
    whole(batch)


def test_it_completes_a_batch_of_which_nothing_else_is_left() -> None:
    batch = submitted(modes("ok", "ok"))
    operations.start(batch.pk)
    operations.quarantine(batch.pk, positions=[0, 1])
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    assert batch.status == "COMPLETED"
    whole(batch)


def test_it_takes_an_item_out_of_a_retry_under_way() -> None:
    batch = ran(modes(*["network"] * 6), max_attempts=1)
    now_ok(batch)
    made = operations.retry(batch.pk, all_failed=True, canary=2)
    operations.quarantine(batch.pk, positions=[1, 2])
    runner.work_until_idle(batch.pk)
    made.refresh_from_db()
    assert (made.state, made.outcome()["recovered"], made.outcome()["skipped"]) == ("DONE", 4, 2)
    whole(batch)


def test_what_it_takes_does_not_count_against_the_error_budget() -> None:
    batch = ran(modes(*["error"] * 3, *["ok"] * 20), max_attempts=1, max_errors=1, checkpoint_every=1)
    assert batch.status == "HALTED"
    operations.quarantine(batch.pk, all_failed=True)
    operations.resume(batch.pk)
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    assert batch.status == "COMPLETED"
    whole(batch)


def test_an_item_that_is_named_is_tried_although_it_is_set_aside() -> None:
    batch = ran(modes(*["network"] * 2), max_attempts=1)
    operations.quarantine(batch.pk, all_failed=True)
    with pytest.raises(InvalidInput, match="nothing to retry"):
        operations.retry(batch.pk, all_failed=True)
    now_ok(batch)
    operations.retry(batch.pk, item_keys=[Item.objects.get(batch=batch, position=0).key])
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED", "QUARANTINED"]
    whole(batch)
    operations.release(batch.pk, 1)
    assert statuses(batch) == ["SUCCEEDED", "FAILED"]
    whole(batch)


def test_it_is_not_rehearsed() -> None:
    batch = ran(modes("network", "network"), max_attempts=1)
    operations.quarantine(batch.pk, positions=[0, 0])
    assert operations.rehearse(batch.pk, wake=False).items == 1


def test_it_is_done_once_under_one_key_and_only_for_what_was_confirmed() -> None:
    batch = ran(modes("network", "network"), max_attempts=1)
    with pytest.raises(ScopeChanged, match="2 items now, not 1"):
        operations.quarantine(batch.pk, all_failed=True, count=1)
    assert not Quarantine.objects.exists()
    first = operations.quarantine(batch.pk, all_failed=True, count=2, key="k")
    assert operations.quarantine(batch.pk, all_failed=True, count=2, key="k").pk == first.pk
    assert QuarantinedItem.objects.count() == 2


def test_a_retry_is_made_only_for_what_was_confirmed() -> None:
    batch = ran(modes("network", "network"), max_attempts=1)
    with pytest.raises(ScopeChanged):
        operations.retry(batch.pk, all_failed=True, count=3)
    assert not Retry.objects.exists()
    assert operations.retry(batch.pk, all_failed=True, count=2, predicted={"low": 1, "high": 2}).predicted["high"] == 2


@pytest.mark.parametrize("asked", [{}, {"all_failed": True}, {"positions": [0, 0]}, {"item_keys": ["nobody"]}])
def test_it_refuses_what_means_nothing(asked: dict[str, Any]) -> None:
    batch = ran(modes("ok"))
    with pytest.raises(InvalidInput):
        operations.quarantine(batch.pk, **asked)
    assert statuses(batch) == ["SUCCEEDED"]
    with pytest.raises(UnknownBatch):
        operations.release(batch.pk, 7)


def test_it_refuses_a_batch_that_is_given_up() -> None:
    batch = submitted(modes("ok"))
    operations.cancel(batch.pk)
    with pytest.raises(InvalidTransition):
        operations.quarantine(batch.pk, positions=[0, 0])


def test_it_is_steered_over_rest() -> None:
    batch = ran(modes(*["network"] * 3), max_attempts=1)
    operator, viewer, address = client("operator"), client("viewer"), f"/api/batches/{batch.pk}/asides"
    assert viewer.post(address, {"all_failed": True}, format="json").status_code == 403
    assert operator.post(address, {"all_failed": True, "count": 2}, format="json").status_code == 400
    made = operator.post(address, {"positions": [0, 1], "reason": "poison"}, format="json")
    assert (made.status_code, made.json()["items"], made.json()["actor"]) == (201, 2, "operator")
    assert [row["number"] for row in viewer.get(address).json()] == [1]
    assert viewer.post(f"{address}/1/bring_back", {}, format="json").status_code == 403
    back = operator.post(f"{address}/1/bring_back", {}, format="json").json()
    assert back["back_by"] == "operator"
    assert operator.post(f"{address}/1/bring_back", {}, format="json").status_code == 409
    assert operator.post(f"{address}/9/bring_back", {}, format="json").status_code == 404
    assert statuses(batch) == ["FAILED"] * 3


WORK = """
import sys
from batches.engine import runner
import tests.processors
runner.work_until_idle(sys.argv[1])
"""


def test_it_takes_no_item_out_of_a_workers_hands(in_process: Callable[..., Any]) -> None:
    """While another process works on the batch, slices of it are set aside and brought back."""
    batch = submitted(modes(*["sleep"] * 120, seconds=0.01, effect=True), checkpoint_every=5)
    operations.start(batch.pk)
    worker = in_process(WORK, batch.pk)
    numbers = []
    for first in (60, 80, 100):
        try:
            numbers.append(operations.quarantine(batch.pk, positions=[first, first + 15]).number)
        except InvalidInput:
            continue  # the worker was there before
    assert worker.wait(PATIENCE) == 0
    whole(batch)
    for number in numbers:
        operations.release(batch.pk, number)
        whole(batch)
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"] * 120
    assert Group.objects.filter(name__startswith=f"{batch.pk}/").count() == 120
    whole(batch)
