"""What the items of a worker or of a slice share: an HTTP client, a connection to something else.

A processor declares each as a function that gives a context manager. It is entered when an item first asks for it, as
part of that item's attempt: what cannot be opened fails the item, as a call to it would, and the next item tries again.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack
from typing import Any

from batches.processors import Processor

logger = logging.getLogger("batches")


class WorkerResources:
    """Those of this process, by their function, until it ends."""

    def __init__(self) -> None:
        self._stack, self._lock = ExitStack(), threading.Lock()
        self._opened: dict[Callable[[], Any], Any] = {}

    def of(self, factory: Callable[[], Any]) -> Any:
        with self._lock:
            if factory not in self._opened:
                self._opened[factory] = self._stack.enter_context(entered_at_once(factory()))
            return self._opened[factory]

    def close(self) -> None:
        with self._lock:
            self._opened.clear()
            close_quietly(self._stack.close)

    def forget(self) -> None:
        """In a fork: what the parent has opened is the parent's."""
        self.__init__()  # type: ignore[misc]


OF_THIS_PROCESS = WorkerResources()
atexit.register(OF_THIS_PROCESS.close)
os.register_at_fork(after_in_child=OF_THIS_PROCESS.forget)


class Resources:
    """Those of one slice, and the way to those of its worker."""

    def __init__(self, processor: Processor, worker: WorkerResources = OF_THIS_PROCESS) -> None:
        self.processor, self.worker = processor, worker
        self._stack, self._async_stack = ExitStack(), AsyncExitStack()
        self._lock, self._async_lock = threading.Lock(), asyncio.Lock()
        self._slice: list[Any] = []

    @property
    def per_worker(self) -> Any:
        return None if self.processor.per_worker is None else self.worker.of(self.processor.per_worker)

    @property
    def per_slice(self) -> Any:
        if self.processor.per_slice is None:
            return None
        with self._lock:
            if not self._slice:
                self._slice.append(self._stack.enter_context(entered_at_once(self.processor.per_slice())))
            return self._slice[0]

    async def prepare(self) -> None:
        """Enter an asynchronous context manager of the slice, on the loop that its coroutines run on."""
        if self.processor.per_slice is None or self._slice:
            return
        async with self._async_lock:
            if not self._slice and isinstance(manager := self.processor.per_slice(), AbstractAsyncContextManager):
                self._slice.append(await self._async_stack.enter_async_context(manager))

    def close(self) -> None:
        """At the end of the slice; an error on the way is logged, the items are done."""
        self._slice.clear()
        close_quietly(self._stack.close)

    async def aclose(self) -> None:
        self._slice.clear()
        try:
            await self._async_stack.aclose()
        except Exception:
            logger.exception("a resource of %s could not be closed", self.processor.name)


def plain_function(processor: Processor, worker: WorkerResources = OF_THIS_PROCESS) -> Callable[..., Any]:
    """The processor's function; of a coroutine function a plain one, which gives each item a loop and a resource
    of its own."""
    if not inspect.iscoroutinefunction(processor.function):
        return processor.function

    async def run(payload: dict[str, Any], context: Any) -> Any:
        context.resources = own = Resources(processor, worker)
        try:
            await own.prepare()
            return await processor.function(payload, context)
        finally:
            await own.aclose()
            own.close()

    return lambda payload, context: asyncio.run(run(payload, context))


def entered_at_once(manager: Any) -> Any:
    """`TypeError` for a context manager that only a loop can enter."""
    if not isinstance(manager, AbstractContextManager):
        raise TypeError(
            f"{type(manager).__name__} is no context manager that can be entered here: an asynchronous one "
            "is for per_slice of an async processor."
        )
    return manager


def close_quietly(close: Callable[[], None]) -> None:
    try:
        close()
    except Exception:
        logger.exception("a resource could not be closed")
