"""Signals that end a run, such as Ctrl-C: they reach an item at once, and the engine only between its commits."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # those of `signal` take ten times as long
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (int(signal.SIGINT), int(signal.SIGTERM), int(signal.SIGHUP))


class Interruptions:
    """Handlers of the caller, called while an item runs, or else once the chunk around it is committed.

    A context manager around a chunk: outside of it the handlers are the caller's. So an interruption loses nothing
    that was done: the item in hand is undone, and those before it are recorded. `raised` is what a handler raised into
    an item, or what else is to end the run. Signals reach the main thread only: elsewhere there are none.
    """

    def __init__(self) -> None:
        self.possible = threading.current_thread() is threading.main_thread()
        self.raised: BaseException | None = None
        self._handlers: dict[int, Any] = {}
        self._waiting: list[int] = []
        self._in_item = False
        self._handler = self._arrive  # one object, so that it can be told from any other

    def __enter__(self) -> Interruptions:
        for number in SIGNALS if self.possible else ():
            handler = signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                signal.signal(number, self._handler)
        return self

    def __exit__(self, *raised: object) -> None:
        handlers, self._handlers = self._handlers, {}
        for number, handler in handlers.items():
            signal.signal(number, handler)
        waiting, self._waiting = self._waiting, []
        for number in waiting:
            handlers[number](number, None)

    def run_item(self, function: Callable[[], Any]) -> Any:
        """What the function returns; a signal interrupts it, one that waited does so at once."""
        self._in_item = True
        try:
            while self._waiting:
                self._call_handler(self._waiting.pop(0), None)
            return function()
        finally:
            self._in_item = False

    def are_due(self) -> bool:
        """Whether the run is to end, or a signal waits for the chunk to be committed."""
        return self.raised is not None or bool(self._waiting)

    def come_by_default(self) -> bool:
        """Whether Ctrl-C raises `KeyboardInterrupt`, as it does where nobody has changed that."""
        return self._handlers.get(SIGNALS[0]) is signal.default_int_handler

    def _arrive(self, number: int, frame: FrameType | None) -> None:
        if self._in_item:
            self._call_handler(number, frame)
        else:
            self._waiting.append(number)

    def _call_handler(self, number: int, frame: FrameType | None) -> None:
        try:
            self._handlers[number](number, frame)
        except BaseException as raised:
            self.raised = raised
            raise
