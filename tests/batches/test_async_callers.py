"""Coroutines of callers: awaited where they can be, refused before anything counts where not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Group

from batches import checkpoint_manager, idempotency_manager, operations, transaction_manager
from batches.exceptions import IdempotencyConflict, InvalidInput
from batches.idempotency_manager import idempotent_operation
from batches.models import Batch, Item
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")

ITEMS = [f"item_{n}" for n in range(12)]


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


def names() -> set[str]:
    return set(Group.objects.filter(name__startswith="item_").values_list("name", flat=True))


async def add(item: str) -> None:
    """Writes through the async ORM, and fails at one item afterwards."""
    await Group.objects.acreate(name=item)
    await asyncio.sleep(0)
    if item == "item_7":
        raise ValueError(item)


@pytest.mark.parametrize("resume", ["resume", "aresume"])
@pytest.mark.parametrize("process", [add, lambda item: add(item), partial(add)], ids=["def", "lambda", "partial"])
def test_it_awaits_each_item_in_its_own_transaction(resume: str, process: Callable[[str], Any]) -> None:
    if resume == "resume":
        result = checkpoint_manager.resume_from_checkpoint("b", ITEMS, process)
    else:
        result = run(checkpoint_manager.aresume_from_checkpoint("b", ITEMS, process))
    assert (result["completed"], result["failed"], result["status"]) == (11, 1, "COMPLETED")
    assert names() == set(ITEMS) - {"item_7"}
    assert Item.objects.get(batch="b", key="item_7").message == "item_7"
    assert operations.verify("b") == []


def test_it_runs_items_on_the_callers_event_loop() -> None:
    async def resumed() -> None:
        loops = []

        async def process(item: str) -> None:
            loops.append(asyncio.get_running_loop())

        await checkpoint_manager.aresume_from_checkpoint("b", ITEMS[:3], process)
        assert loops == [asyncio.get_running_loop()] * 3

    run(resumed())


def test_it_runs_plain_functions_off_the_event_loop() -> None:
    seen: list[str] = []
    result = run(checkpoint_manager.aresume_from_checkpoint("b", ITEMS, seen.append))
    assert (result["completed"], seen) == (12, ITEMS)


def test_a_cancelled_task_saves_what_is_done_and_fails_no_item() -> None:
    async def cancelled() -> None:
        at_item_6 = asyncio.Event()

        async def process(item: str) -> None:
            await Group.objects.acreate(name=item)
            if item == "item_6":
                at_item_6.set()
                await asyncio.sleep(PATIENCE)

        task = asyncio.ensure_future(checkpoint_manager.aresume_from_checkpoint("b", ITEMS, process))
        await at_item_6.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancelled())
    assert names() == set(ITEMS[:6])
    assert Item.objects.filter(batch="b", status="SUCCEEDED").count() == 6
    assert not Item.objects.filter(batch="b", failed_at__isnull=False).exists()
    assert checkpoint_manager.resume_from_checkpoint("b", ITEMS, lambda item: None)["completed"] == 6


@pytest.mark.parametrize("resume", ["resume", "aresume"])
def test_an_item_that_is_awaited_has_its_time_limit(resume: str, settings: Any) -> None:
    settings.PORTAL_ITEM_TIMEOUT = 0.4

    async def process(item: str) -> None:
        await asyncio.sleep(PATIENCE if item == "item_0" else 0)

    if resume == "resume":
        result = checkpoint_manager.resume_from_checkpoint("b", ITEMS[:2], process)
    else:
        result = run(checkpoint_manager.aresume_from_checkpoint("b", ITEMS[:2], process))
    assert (result["completed"], result["failed"]) == (1, 1)
    assert Item.objects.get(batch="b", key="item_0").code == "TIMEOUT"


def test_it_refuses_functions_of_which_a_call_runs_nothing() -> None:
    def rows(item: str) -> Any:
        yield item

    async def arows(item: str) -> Any:
        yield item

    for process in (rows, arows):
        with pytest.raises(InvalidInput, match="process_fn is a generator function"):
            checkpoint_manager.resume_from_checkpoint("b", ITEMS, process)
    assert not Batch.objects.exists()
    result = checkpoint_manager.resume_from_checkpoint("b", ITEMS[:1], lambda item: arows(item))
    assert (result["completed"], result["failed"]) == (0, 1)


def test_an_async_operation_runs_once_and_is_awaited() -> None:
    calls: list[int] = []

    @idempotent_operation(idempotency_manager, "b", "item_1", "charge")
    async def charge(amount: int) -> dict[str, int]:
        calls.append(amount)
        await Group.objects.acreate(name=f"item_{len(calls)}")
        if len(calls) == 1:
            raise RuntimeError("first")
        return {"amount": amount}

    async def charged() -> None:
        with pytest.raises(RuntimeError):
            await charge(1)
        assert await charge(1) == {"amount": 1}
        assert await charge(1) == {"amount": 1}
        with pytest.raises(IdempotencyConflict):
            await charge(2)

    run(charged())
    assert calls == [1, 1]
    assert names() == {"item_2"}
    key = idempotency_manager.generate_key("b", "item_1", "charge")
    assert idempotency_manager.check_duplicate(key) == {"amount": 1}


def test_async_operations_wait_side_by_side() -> None:
    async def side_by_side() -> list[int]:
        arrived = asyncio.Barrier(2)

        def operation(n: int) -> Any:
            @idempotent_operation(idempotency_manager, "b", f"item_{n}", "call")
            async def call() -> int:
                if n < 2:  # where writers wait for each other, two cannot meet
                    from django.db import connection

                    if connection.vendor == "postgresql":
                        await arrived.wait()
                return n

            return call()

        return await asyncio.gather(*(operation(n) for n in range(4)))

    assert run(side_by_side()) == [0, 1, 2, 3]


def test_an_async_operation_belongs_to_the_item_that_awaits_it() -> None:
    async def process(item: str) -> None:
        @idempotent_operation(idempotency_manager, "b", item, "add")
        async def once() -> str:
            await Group.objects.acreate(name=item)
            return item

        assert await once() == item
        if item == "item_1":
            raise ValueError(item)

    result = checkpoint_manager.resume_from_checkpoint("b", ITEMS[:3], process)
    assert (result["completed"], result["failed"]) == (2, 1)
    assert names() == {"item_0", "item_2"}


def test_operations_of_a_transaction_are_refused_before_any_runs() -> None:
    async def late() -> None:
        pass

    with pytest.raises(InvalidInput, match=r"operations\[1\] is async, and nobody would await it here"):
        transaction_manager.execute_transactional("b", [lambda: Group.objects.create(name="item_1"), late])
    with pytest.raises(InvalidInput, match=r"operations\[1\] returned a coroutine"):
        transaction_manager.execute_transactional("b", [lambda: Group.objects.create(name="item_1"), lambda: late()])
    assert names() == set()


def test_an_idempotent_lambda_must_not_return_a_coroutine() -> None:
    async def late() -> None:
        pass

    once = idempotent_operation(idempotency_manager, "b", "item_1", "add")(lambda: late())
    with pytest.raises(InvalidInput, match="returned a coroutine"):
        once()
