"""The time limit of a caller's long items where no signal arrives: in a pool, a web server, on an event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from batches import checkpoint_manager
from batches.exceptions import InvalidInput
from batches.models import Batch, Item

pytestmark = pytest.mark.usefixtures("engine")


def resumed(process: Any, **options: Any) -> dict[str, Any]:
    return checkpoint_manager.resume_from_checkpoint("a", ["item_0", "item_1"], process, effects="external", **options)


def in_a_thread(process: Any, **options: Any) -> dict[str, Any]:
    def run() -> dict[str, Any]:
        try:
            return resumed(process, **options)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(run).result()


def test_it_refuses_a_limit_that_nobody_could_keep() -> None:
    processed: list[str] = []
    with pytest.raises(InvalidInput, match=r"item_timeout .*main thread.*async def") as refused:
        in_a_thread(processed.append, item_timeout=5)
    assert list(refused.value.errors) == ["item_timeout"]
    assert processed == []
    assert not Batch.objects.exists()
    assert in_a_thread(processed.append)["completed"] == 2


def test_it_limits_a_coroutine_function_in_any_thread() -> None:
    async def process(item: str) -> None:
        await asyncio.sleep(60 if item == "item_0" else 0)

    result = in_a_thread(process, item_timeout=0.3)
    assert (result["completed"], result["failed"]) == (1, 1)
    assert Item.objects.get(failed_at__isnull=False).code == "TIMEOUT"


def test_it_refuses_that_for_a_plain_function_on_an_event_loop() -> None:
    with pytest.raises(InvalidInput, match="item_timeout"):
        asyncio.run(
            checkpoint_manager.aresume_from_checkpoint(
                "a", ["item_0"], lambda item: None, item_timeout=5, effects="external"
            )
        )
