"""The calls of a caller's own run: one after the other in his own thread, however long each takes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from time import sleep
from typing import Any

from batches import clock, heartbeats
from batches.engine.attempts import failed_outcome
from batches.engine.context import context_of
from batches.engine.slices import Slice
from batches.isolation.time_limits import TimeLimit
from batches.lanes import leases, outcomes
from batches.lanes.outcomes import Claimed, Outcome
from batches.processors import SkipItem

PAUSE = 0.02  # seconds


class CallsInTurn:
    """What `InFlightCalls` is to a registered processor: no transaction is open while an item runs, and the lane's
    lease is renewed by a thread of its own. A time limit needs the main thread: elsewhere that of a coroutine is kept
    where it is awaited, and one of a plain function was refused."""

    def __init__(self, slice_: Slice) -> None:
        self.slice, self.hung = slice_, False
        self.in_flight: dict[int, Claimed] = {}

    def room(self, *, careful: bool) -> int:
        """How many more may be begun."""
        return 1 - len(self.in_flight)

    def begin(self, item: Claimed) -> None:
        """The item is claimed; it runs when its outcome is asked for."""
        self.in_flight[item.id] = item

    def finished(self, seconds: float) -> list[Outcome]:
        """The outcome of the item that was begun, which runs now."""
        if not self.in_flight:
            sleep(min(seconds, PAUSE))
            return []
        (item,) = self.in_flight.values()
        outcome = self._attempt(item)
        self.in_flight.clear()
        return [outcome]

    def uninterrupted(self) -> AbstractContextManager[Any]:
        """Inside, a signal reaches an item at once, and else waits until its outcome is recorded."""
        return self.slice.isolation.interruptions

    def close(self) -> None:
        pass

    def _attempt(self, item: Claimed) -> Outcome:
        slice_, started_at = self.slice, clock.machine_now()
        try:
            call = partial(slice_.processor.function, item.payload(), context_of(slice_, item))
            with heartbeats.beating(partial(leases.try_to_renew, slice_.lease)):
                return outcomes.succeeded(item, self._run(call), started_at, slice_.params.sources)
        except SkipItem as skip:
            return outcomes.skipped(item, skip.reason, started_at, slice_.params.sources)
        except BaseException as error:
            if slice_.ends_run(error):
                raise
            return failed_outcome(slice_, item, error, started_at)

    def _run(self, call: Any) -> Any:
        run_item = self.slice.isolation.interruptions.run_item
        if self.slice.processor.item_timeout is None:
            return run_item(call)
        limit = TimeLimit(self.slice.processor.item_timeout)
        with limit:
            limit.start()
            try:
                return run_item(call)
            finally:
                limit.stop()
