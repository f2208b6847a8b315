"""What the items of a worker or of a slice share is opened once, and closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from batches import operations
from batches.engine import resources, runner
from batches.models import Item
from tests.helpers.with_params import NAME

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]


class Door:
    """Counts how often it is opened and closed."""

    def __init__(self, broken: int = 0) -> None:
        self.opened = self.closed = 0
        self.broken = broken

    @contextmanager
    def __call__(self) -> Iterator[str]:
        self.opened += 1
        if self.opened <= self.broken:
            raise ConnectionRefusedError("nobody is there")
        yield f"resource {self.opened}"
        self.closed += 1

    @asynccontextmanager
    async def on_a_loop(self) -> AsyncIterator[str]:
        self.opened += 1
        yield f"resource {self.opened} of {id(asyncio.get_running_loop())}"
        self.closed += 1


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[resources.WorkerResources]:
    """Resources of a worker that begins and ends with the test."""
    opened = resources.WorkerResources()
    monkeypatch.setattr(resources.Resources.__init__, "__defaults__", (opened,))
    yield opened
    opened.close()


def run(**options: Any) -> list[str]:
    """The items' results, in order, after as many slices as it takes."""
    operations.submit(processor=NAME, items=[{}] * 6, batch_id="b1", **options)
    operations.start("b1")
    runner.work_until_idle("b1")
    return list(Item.objects.order_by("position").values_list("result__seen", flat=True))


@pytest.mark.parametrize("effects", ["database", "external"])
def test_it_opens_a_slices_resource_once_and_closes_it(register: Callable[..., None], effects: str) -> None:
    door = Door()
    register(None, lambda payload, context: {"seen": context.per_slice}, effects=effects, per_slice=door)
    assert run() == ["resource 1"] * 6
    assert (door.opened, door.closed) == (1, 1)


def test_it_keeps_a_workers_resource_over_slices(register: Callable[..., None], worker: Any) -> None:
    door = Door()
    register(None, lambda payload, context: {"seen": context.per_worker}, per_worker=door)
    assert run() == ["resource 1"] * 6
    operations.submit(processor=NAME, items=[{}], batch_id="b2")
    operations.start("b2")
    runner.work_until_idle("b2")
    assert (door.opened, door.closed) == (1, 0)
    worker.close()
    assert door.closed == 1


def test_it_enters_an_asynchronous_one_on_the_loop_of_the_coroutines(register: Callable[..., None]) -> None:
    door = Door()

    async def look(payload: dict[str, Any], context: Any) -> dict[str, Any]:
        assert context.per_slice.endswith(str(id(asyncio.get_running_loop())))
        return {"seen": context.per_slice.partition(" of ")[0]}

    register(None, look, effects="external", per_slice=door.on_a_loop)
    assert run() == ["resource 1"] * 6
    assert (door.opened, door.closed) == (1, 1)


@pytest.mark.usefixtures("impatient")
def test_it_fails_the_attempt_for_which_it_cannot_be_opened(register: Callable[..., None]) -> None:
    door = Door(broken=1)
    register(None, lambda payload, context: {"seen": context.per_slice}, per_slice=door)
    assert run() == ["resource 2"] * 6
    assert list(Item.objects.order_by("position").values_list("attempts", flat=True)) == [2, 1, 1, 1, 1, 1]


def test_it_opens_nothing_that_no_item_asks_for(register: Callable[..., None]) -> None:
    door = Door()
    register(None, lambda payload, context: {"seen": "nothing"}, per_slice=door, per_worker=door)
    run()
    assert door.opened == 0


def test_it_names_an_asynchronous_one_where_there_is_no_loop(register: Callable[..., None]) -> None:
    register(None, lambda payload, context: context.per_slice, per_slice=Door().on_a_loop)
    run()
    assert "is for per_slice of an async processor" in Item.objects.earliest("position").message
