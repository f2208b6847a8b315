"""A processor that takes the items of a chunk in one call: each item's outcome is as if it had run alone."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction

from batches import operations
from batches.engine import rehearsals, runner
from batches.models import Batch, IdempotencyRecord, Item
from batches.processors import Context, ItemError, RetryItem, SkipItem, processor
from batches.testing import trial
from tests.helpers.batches import item, statuses

pytestmark = pytest.mark.usefixtures("engine")

CALLS: list[int] = []
ANSWERS: dict[str, Any] = {
    "invalid": ItemError("no such thing", code="NO_THING", category="validation"),
    "skip": SkipItem("nothing to do"),
    "later": RetryItem("busy", after=0.01),
    "unstorable": {1, 2},
}


@processor("test.many", many=True, max_attempts=2)
def many(payloads: list[dict[str, Any]], contexts: list[Context]) -> Any:
    """Write each row's group, then do what the rows' `mode` says; its call counts, and its items."""
    CALLS.append(len(payloads))
    modes = [payload["mode"] for payload in payloads]
    Group.objects.bulk_create(Group(name=f"{context.batch_id}/{context.item_key}") for context in contexts)
    if "slow" in modes and len(payloads) > 1:
        time.sleep(5)
    if "error" in modes:
        raise ValueError("cannot")
    if "commit" in modes:
        with connection.cursor() as cursor:
            cursor.execute("COMMIT")
    if "swallow" in modes:
        try:
            with transaction.atomic(savepoint=False):
                Group.objects.create(name=f"{contexts[0].batch_id}/{contexts[0].item_key}")
        except Exception:
            pass
    if "short" in modes:
        return []
    return [ANSWERS.get(mode, {"key": context.item_key}) for mode, context in zip(modes, contexts, strict=True)]


@pytest.fixture(autouse=True)
def calls() -> list[int]:
    CALLS.clear()
    return CALLS


def submitted(*modes: str, **options: Any) -> Batch:
    return operations.submit(processor="test.many", items=[{"mode": mode} for mode in modes], **options).batch


def ran(*modes: str, **options: Any) -> Batch:
    batch = submitted(*modes, **options)
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    assert operations.verify(batch.pk) == []
    return batch


def written(batch: Batch) -> set[str]:
    """Keys of the items whose effect is there."""
    names = Group.objects.filter(name__startswith=f"{batch.pk}/").values_list("name", flat=True)
    return {name.partition("/")[2] for name in names}


def succeeded(batch: Batch) -> set[str]:
    return set(Item.objects.filter(batch=batch, status="SUCCEEDED").values_list("key", flat=True))


def test_it_calls_once_a_chunk_and_remembers_each_item(calls: list[int]) -> None:
    batch = ran(*["ok"] * 60)
    assert calls == [50, 10]
    assert statuses(batch) == ["SUCCEEDED"] * 60
    assert item(batch, 7).result == {"key": item(batch, 7).key}
    assert IdempotencyRecord.objects.count() == 60
    assert written(batch) == succeeded(batch)


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [("invalid", "FAILED", "NO_THING"), ("skip", "SKIPPED", ""), ("unstorable", "FAILED", "RESULT_NOT_JSON")],
)
def test_it_calls_again_without_the_items_that_did_not_succeed(
    mode: str, status: str, code: str, calls: list[int]
) -> None:
    batch = ran("ok", mode, "ok", "ok")
    assert calls == [4, 3]
    assert statuses(batch) == ["SUCCEEDED", status, "SUCCEEDED", "SUCCEEDED"]
    assert item(batch, 1).code == code
    assert written(batch) == succeeded(batch)


@pytest.mark.parametrize("mode", ["error", "short", "commit", "swallow"])
def test_it_goes_one_by_one_when_a_call_breaks(mode: str, calls: list[int]) -> None:
    batch = ran("ok", "ok", mode, "ok", max_attempts=1)
    assert statuses(batch) == ["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert written(batch) == succeeded(batch)
    assert calls[0] == 4
    assert set(calls[1:]) == {1}


def test_it_tries_an_item_again_that_asks_for_it(calls: list[int]) -> None:
    batch = ran("ok", "later", "ok")
    assert statuses(batch) == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert item(batch, 1).attempts == 2
    assert calls == [3, 2, 1]


def test_it_interrupts_a_call_that_takes_longer_than_an_item_may(calls: list[int]) -> None:
    batch = ran("ok", "slow", "ok", item_timeout=0.2)
    assert statuses(batch) == ["SUCCEEDED"] * 3
    assert calls == [3, 1, 1, 1]


def test_it_shares_the_time_of_a_call_among_its_items() -> None:
    batch = ran("ok", "ok", "ok")
    first, second, third = Item.objects.filter(batch=batch).order_by("position")
    assert first.finished_at == second.started_at
    assert second.finished_at == third.started_at
    assert first.started_at < third.finished_at


def test_it_is_rehearsed_as_it_runs(calls: list[int]) -> None:
    batch = submitted("ok", "invalid", "ok")
    pk = operations.rehearse(batch.pk, actor="ana", wake=False).pk
    while rehearsals.work(pk):
        pass
    report = operations.get_rehearsal(batch.pk, 1).to_dict()
    assert (report["succeeded"], report["failed"]) == (2, 1)
    assert (calls, written(batch)) == ([3, 2], set())


def test_it_is_tried_as_it_runs(calls: list[int]) -> None:
    with trial("test.many", [{"mode": mode} for mode in ("ok", "invalid", "skip", "ok")]) as tried:
        assert [row.status for row in tried] == ["SUCCEEDED", "FAILED", "SKIPPED", "SUCCEEDED"]
        assert written(Batch(pk="trial")) == {"0", "3"}
    assert calls == [4, 2]
    with trial("test.many", [{"mode": "ok"}, {"mode": "error"}]) as tried:
        assert [row.status for row in tried] == ["SUCCEEDED", "FAILED"]
        assert written(Batch(pk="trial")) == {"0"}


@pytest.mark.any_database
def test_it_refuses_what_makes_no_sense() -> None:
    async def coroutine(payloads: list[dict[str, Any]], contexts: list[Context]) -> None:
        pass

    with pytest.raises(ValueError, match='effects="database" only'):
        processor("test.refused", many=True, effects="external")
    with pytest.raises(ValueError, match="only a plain function"):
        processor("test.refused", many=True)(coroutine)
