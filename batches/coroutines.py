"""Coroutine functions of callers, where the engine calls plain ones; and the engine's plain functions on an event loop.

Both go by asgiref: what a coroutine asks of Django's ORM runs on the thread and the connection, and so in the
transaction, of whoever waits for it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from asgiref.sync import AsyncToSync, async_to_sync, sync_to_async
from django.db import connections

from batches.exceptions import InvalidInput, ItemTimeout

THREADS = 64
"""Operations on an event loop that may wait side by side."""
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="batches")


def is_async(function: Any) -> bool:
    """Whether calling the function gives a coroutine; of a lambda only its result tells."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def refuse_generator(function: Any, name: str) -> None:
    """`InvalidInput` for a function of which a call runs nothing."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidInput(f"{name} is a generator function: a call would run nothing of it. Return instead of yield.")


def refuse_async(function: Any, name: str) -> None:
    """`InvalidInput` for a function that would have to be awaited, or of which a call runs nothing."""
    refuse_generator(function, name)
    if is_async(function):
        raise InvalidInput(f"{name} is async, and nobody would await it here. Pass a plain function.")


def refuse_awaitable(result: Any, name: str) -> Any:
    """The result; `InvalidInput` if it would have to be awaited, which is when its work is done."""
    if result is not None and (inspect.isawaitable(result) or inspect.isasyncgen(result)):
        if inspect.iscoroutine(result):
            result.close()
        raise InvalidInput(f"{name} returned a {type(result).__name__}: nothing of it has run, and nobody awaits it.")
    return result


class Cancellation:
    """Whether a run was cancelled, and what is awaited for it at this moment."""

    def __init__(self) -> None:
        self.is_due = False
        self.running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    def is_requested(self) -> bool:
        return self.is_due

    def request(self) -> None:
        self.is_due = True
        self.cancel_running()

    def cancel_running(self) -> None:
        for loop, task in list(self.running):
            with suppress(RuntimeError):  # the loop is closed: it is over
                loop.call_soon_threadsafe(task.cancel)


def run_to_end(result: Any, seconds: float | None = None, cancellation: Cancellation | None = None) -> Any:
    """What an awaitable comes to, on the event loop above or one of its own; any other value as it is.

    `ItemTimeout` after so many seconds. Who interrupts this thread, or requests the cancellation, ends the coroutine.
    """
    if result is None or not inspect.isawaitable(result):
        return result
    cancellation = cancellation or Cancellation()
    try:
        return async_to_sync(_bounded)(result, seconds, cancellation)
    except BaseException:
        cancellation.cancel_running()
        raise


async def _bounded(awaitable: Awaitable[Any], seconds: float | None, cancellation: Cancellation) -> Any:
    task = asyncio.current_task()
    assert task is not None
    here, limit = (asyncio.get_running_loop(), task), asyncio.timeout(seconds)
    cancellation.running.append(here)
    try:
        async with limit:
            return await awaitable
    except TimeoutError:
        if limit.expired():
            raise ItemTimeout(f"The item ran longer than its limit of {seconds:g} s.") from None
        raise
    finally:
        cancellation.running.remove(here)


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Await a function that uses the database: on the thread that waits for this coroutine, else on one of its own."""
    if getattr(AsyncToSync.executors, "current", None) is not None:
        return await sync_to_async(function, thread_sensitive=True)(*arguments)

    def on_own_connection() -> Any:
        try:
            return function(*arguments)
        finally:
            connections.close_all()

    return await sync_to_async(on_own_connection, thread_sensitive=False, executor=_threads)()
