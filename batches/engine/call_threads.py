"""Threads that make the calls of one slice, each one call after the other, and the interruption of a call."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from queue import SimpleQueue

from batches.engine.slices import do_nothing
from batches.exceptions import ItemTimeout
from batches.lanes.outcomes import Claimed


@dataclass(slots=True)
class Call:
    """The call of one item; `since` is on the monotonic clock."""

    item: Claimed
    since: float
    thread: int | None = None
    interrupted: bool = False
    over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self) -> None:
        """This thread makes the call: from here on it can be interrupted."""
        with self.lock:
            self.thread = threading.get_ident()

    def leave(self) -> None:
        """From here on it is not interrupted. An `ItemTimeout` that was on its way arrives here at the latest: it must
        not reach the next call of this thread."""
        try:
            do_nothing()
        finally:
            with self.lock:
                self.over = True
            do_nothing()

    def interrupt(self) -> None:
        """Raise `ItemTimeout` in its thread, as soon as that runs Python code again; once only."""
        with self.lock:
            if not (self.over or self.interrupted) and self.thread is not None:
                self.interrupted = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), ctypes.py_object(ItemTimeout))


class CallThreads:
    """As many threads as calls were ever out at once. A call finds no context variable of the one before it."""

    def __init__(self, run: Callable[[Call], None]) -> None:
        self._run, self._calls, self._started = run, SimpleQueue[Call | None](), 0

    def begin(self, call: Call, in_flight: int) -> None:
        """Make the call in a thread that is free; in a new one where all may be busy with the calls `in_flight`."""
        if self._started < in_flight:
            self._started += 1
            threading.Thread(target=self._work, name=f"calls {self._started}", daemon=True).start()
        self._calls.put(call)

    def close(self) -> None:
        """Each thread ends after its call."""
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            Context().run(self._run, call)
