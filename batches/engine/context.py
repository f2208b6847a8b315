"""What the engine hands a processor beside the payload."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import connections

from batches import idempotency_manager
from batches.engine.resources import Resources
from batches.engine.slices import Slice
from batches.keys import PROCESS, key_of
from batches.lanes.outcomes import Claimed
from batches.redaction import take_in_hand

logger = logging.getLogger("batches.processor")


class ItemContext:
    """The `Context` of one attempt of one item."""

    __slots__ = ("attempt", "batch_id", "item_key", "params", "position", "rehearsing", "resources")

    def __init__(
        self,
        batch_id: str,
        item_key: str,
        position: int,
        attempt: int,
        params: dict[str, Any],
        *,
        rehearsing: bool = False,
        resources: Resources | None = None,
    ) -> None:
        self.batch_id, self.item_key, self.position = batch_id, item_key, position
        self.attempt, self.params, self.rehearsing = attempt, params, rehearsing
        self.resources = resources

    @property
    def idempotency_key(self) -> str:
        return key_of(self.batch_id, self.item_key, PROCESS)

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        return logging.LoggerAdapter(
            logger, {"batch": self.batch_id, "item": self.item_key, "position": self.position, "attempt": self.attempt}
        )

    @property
    def per_worker(self) -> Any:
        return None if self.resources is None else self.resources.per_worker

    @property
    def per_slice(self) -> Any:
        return None if self.resources is None else self.resources.per_slice

    def once(self, name: str, function: Callable[[], Any]) -> Any:
        """The step's remembered result, or the function's, remembered with the item's own effects.

        Outside a transaction it is remembered at once, for longer than any retry may take. A coroutine function is
        awaited: `await context.once("charge", charge)`.
        """
        if inspect.iscoroutinefunction(function):
            return self._once_awaited(name, function)
        key = idempotency_manager.generate_key(self.batch_id, self.item_key, name)
        record = idempotency_manager.get_record(key)
        return record.response if record is not None else idempotency_manager.remember_step(key, function())

    async def _once_awaited(self, name: str, function: Callable[[], Awaitable[Any]]) -> Any:
        key = idempotency_manager.generate_key(self.batch_id, self.item_key, name)
        record = await in_a_thread(idempotency_manager.get_record, key)
        if record is not None:
            return record.response
        return await in_a_thread(idempotency_manager.remember_step, key, await function())


def context_of(slice_: Slice, item: Claimed) -> ItemContext:
    """The context of the item's next attempt; this thread or coroutine has the item in hand from now on."""
    take_in_hand(item.payload_json, slice_.params.sources)
    attempt, params = item.attempts + 1, slice_.params.for_item()
    return ItemContext(
        slice_.batch.pk,
        item.key,
        item.position,
        attempt,
        params,
        rehearsing=slice_.rehearsing,
        resources=slice_.resources,
    )


async def in_a_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Await a function that uses the database, which may not run on an event loop."""

    def run() -> Any:
        try:
            return function(*arguments)
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)
