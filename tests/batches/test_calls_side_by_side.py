"""As many calls of a lane side by side as a processor may ask for."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from batches import operations, processors
from batches.engine import runner
from batches.processors import Context, processor
from tests.helpers.batches import statuses

MOST = 128
SECONDS = 29  # less than an item may take


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "_registry", dict(processors._registry))


def register(shape: str, parallel: int) -> None:
    """A processor whose calls end only when so many of them are out."""
    together, waiting = threading.Barrier(parallel), list[asyncio.Future[None]]()

    def meet(payload: dict[str, Any], context: Context) -> None:
        together.wait(SECONDS)

    async def meet_on_a_loop(payload: dict[str, Any], context: Context) -> None:
        waiting.append(mine := asyncio.get_running_loop().create_future())
        if len(waiting) == parallel:
            for future in waiting:
                future.set_result(None)
        await mine

    processor("side.by_side", effects="external", parallel=parallel)(meet if shape == "threads" else meet_on_a_loop)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("shape", ["threads", "coroutines"])
def test_it_makes_as_many_calls_at_once_as_a_processor_may_ask_for(shape: str) -> None:
    register(shape, MOST)
    batch = operations.submit(
        processor="side.by_side", items=[{"n": n} for n in range(MOST)], batch_id="outside", actor="ana"
    ).batch
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    assert statuses(batch) == ["SUCCEEDED"] * MOST
    assert operations.verify(batch.pk) == []


@pytest.mark.any_database
def test_it_refuses_more() -> None:
    with pytest.raises(ValueError, match=f"it must be from 1 to {MOST}"):
        register("threads", MOST + 1)
