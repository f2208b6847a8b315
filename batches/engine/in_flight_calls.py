"""Items out at the same time: in threads, or as coroutines of one event loop.

A call that runs over its time limit is interrupted: a coroutine is cancelled, into a thread an `ItemTimeout` is
raised. One that does not give way is given up, and its process must not be used any longer.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any

from django.db import connections

from batches import clock
from batches.engine.attempts import failed_outcome
from batches.engine.call_threads import Call, CallThreads
from batches.engine.context import context_of
from batches.engine.slices import GRACE_SECONDS, Slice
from batches.exceptions import ItemTimeout
from batches.lanes import outcomes
from batches.lanes.outcomes import Claimed, Outcome
from batches.processors import SkipItem

logger = logging.getLogger("batches")

GATHERED_FOR, SHARE_OF_A_CALL, WORTH_A_WAIT = 0.005, 0.05, 0.0005  # seconds, part of a call's time, seconds
PAST_LIMIT = "The item ran longer than its limit of {:g} s."


class InFlightCalls:
    """The calls of one slice that are in flight, by item id."""

    def __init__(self, slice_: Slice) -> None:
        self.slice, self.limit = slice_, slice_.batch.item_timeout
        self.is_async = inspect.iscoroutinefunction(slice_.processor.function)
        self.in_flight: dict[int, Call] = {}
        self.hung, self._lasting = False, 0.0
        self._to_start, self._start_ordered = deque[Call](), False
        self._done: SimpleQueue[tuple[int, Outcome]] = SimpleQueue()
        self._loop = self._start_loop() if self.is_async else None
        self._threads, self._tasks = CallThreads(self._run), set[asyncio.Task[None]]()

    def room(self, *, careful: bool) -> int:
        """How many more may be begun; after a worker's death one at a time."""
        return (1 if careful else self.slice.processor.parallel) - len(self.in_flight)

    def begin(self, item: Claimed) -> None:
        call = self.in_flight[item.id] = Call(item, monotonic())
        if self._loop is None:
            self._threads.begin(call, len(self.in_flight))
            return
        self._to_start.append(call)
        if not self._start_ordered:  # else the loop has not looked yet, and will see this one, too
            self._start_ordered = True
            self._loop.call_soon_threadsafe(self._start_tasks)

    def finished(self, seconds: float) -> list[Outcome]:
        """The outcomes of calls that have ended, or of the first that ends within so many seconds and of those that
        end so soon after it that they are worth the wait."""
        done: list[Outcome] = []
        until = monotonic() + seconds
        while True:
            self._end_overdue(done)
            left = 0.0 if done or not self.in_flight else max(0.0, until - monotonic())
            if not self.in_flight and not done and seconds:
                left = min(seconds, 0.02)  # nothing is out: the caller waits for its turn to begin
            try:
                item_id, outcome = self._done.get(block=left > 0, timeout=left or None)
            except Empty:
                return done
            if call := self.in_flight.pop(item_id, None):
                done.append(outcome)
                self._lasting += (monotonic() - call.since - self._lasting) / 8
                if len(done) == 1 and seconds and self.in_flight:
                    gather(self._lasting)

    def uninterrupted(self) -> AbstractContextManager[Any]:
        """The items run in other threads, which no signal reaches."""
        return nullcontext()

    def close(self) -> None:
        if self._loop is None:
            self._threads.close()
            return
        closing = asyncio.run_coroutine_threadsafe(self.slice.resources.aclose(), self._loop)
        try:
            closing.result(GRACE_SECONDS)
        except TimeoutError:
            logger.error("a resource of %s could not be closed in time", self.slice.processor.name)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)

    # -- in the call's own thread, or on the loop

    def _run(self, call: Call) -> None:
        started_at = clock.machine_now()
        call.enter()
        try:
            try:
                outcome = self._attempt(call, lambda payload, context: self.slice.processor.function(payload, context))
            finally:
                call.leave()
        except ItemTimeout:
            outcome = failed_outcome(self.slice, call.item, ItemTimeout(PAST_LIMIT.format(self.limit)), started_at)
        finally:
            connections.close_all()  # a session's settings and locks would outlive their item
        self._done.put((call.item.id, outcome))

    def _attempt(self, call: Call, function: Callable[..., Any]) -> Outcome:
        started_at = clock.machine_now()
        try:
            result = function(call.item.payload(), context_of(self.slice, call.item))
            return outcomes.succeeded(call.item, result, started_at, self.slice.params.sources)
        except ItemTimeout:
            raise
        except BaseException as error:
            return self._failed(call.item, error, started_at)

    def _start_tasks(self) -> None:
        self._start_ordered = False
        while self._to_start:
            task = asyncio.get_running_loop().create_task(self._run_coroutine(self._to_start.popleft()))
            self._tasks.add(task)  # the loop itself keeps none alive
            task.add_done_callback(self._tasks.discard)

    async def _run_coroutine(self, call: Call) -> None:
        self._done.put((call.item.id, await self._attempt_coroutine(call.item)))

    async def _attempt_coroutine(self, item: Claimed) -> Outcome:
        started_at, limit = clock.machine_now(), asyncio.timeout(self.limit)
        try:
            async with limit:
                await self.slice.resources.prepare()
                function: Callable[..., Awaitable[Any]] = self.slice.processor.function
                result = await function(item.payload(), context_of(self.slice, item))
            return outcomes.succeeded(item, result, started_at, self.slice.params.sources)
        except TimeoutError as error:
            late = ItemTimeout(PAST_LIMIT.format(self.limit)) if limit.expired() else error
            return failed_outcome(self.slice, item, late, started_at)
        except BaseException as error:
            return self._failed(item, error, started_at)

    def _failed(self, item: Claimed, error: BaseException, started_at: Any) -> Outcome:
        if isinstance(error, SkipItem):
            return outcomes.skipped(item, error.reason, started_at, self.slice.params.sources)
        return failed_outcome(self.slice, item, error, started_at)

    # -- time limits

    def _end_overdue(self, done: list[Outcome]) -> None:
        for item_id, call in list(self.in_flight.items()):
            over = monotonic() - call.since - self.limit
            if over > GRACE_SECONDS:
                logger.error("item %s did not give way after its time limit; its worker will end", call.item.key)
                self.hung = True
                del self.in_flight[item_id]
                error = ItemTimeout(PAST_LIMIT.format(self.limit) + " It could not be ended.")
                done.append(failed_outcome(self.slice, call.item, error, clock.machine_now()))
            elif over > 0 and not call.interrupted:
                call.interrupt()

    def _start_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        threading.Thread(target=run_until_stopped, args=(loop,), name="calls", daemon=True).start()
        return loop


def gather(lasting: float) -> None:
    """Wait for other calls to end, where calls take so long (seconds) that the places that stand empty meanwhile are a
    small part of them: fewer commits, when many end within a moment."""
    seconds = min(GATHERED_FOR, SHARE_OF_A_CALL * lasting)
    if seconds >= WORTH_A_WAIT:
        sleep(seconds)


def run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    """For a thread of the loop's own, which closes it afterwards."""
    try:
        loop.run_forever()
    finally:
        loop.close()
