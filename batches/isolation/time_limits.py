"""How long an item may run: first it is interrupted, then its process is ended."""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
from time import monotonic
from types import FrameType

from batches.exceptions import ItemTimeout


class TimeLimit:
    """Raises `ItemTimeout` between `start` and `stop` when more than so many seconds lie between them.

    The timer is left running from item to item, since setting it takes longer than many an item: when it rings, it is
    set again for what is left of the present one. Signals reach the main thread only: elsewhere there is no limit.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.armed, self.due, self.rings_at = seconds, False, 0.0, 0.0
        self.possible = threading.current_thread() is threading.main_thread()
        if self.possible:
            signal.signal(signal.SIGALRM, self._interrupt)

    def start(self) -> None:
        if self.possible:
            now = monotonic()
            self.due, self.armed = now + self.seconds, True
            if now > self.rings_at:
                self._ring_in(self.seconds)

    def stop(self) -> None:
        self.armed = False

    def _ring_in(self, seconds: float) -> None:
        self.rings_at = monotonic() + seconds
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        self.rings_at = 0.0
        if not self.armed:
            return
        left = self.due - monotonic()
        if left > 0:
            self._ring_in(left)
            return
        self.armed = False
        raise ItemTimeout(f"The item ran longer than its limit of {self.seconds:g} s.")


def kill_if_hung(seconds: float | None) -> None:
    """End this process after so many seconds, with its stack on stderr, unless called again; None calls it off.

    It works from C, so a processor that holds the interpreter's lock or swallows its timeout cannot prevent it.
    """
    faulthandler.cancel_dump_traceback_later()
    if seconds is not None and sys.__stderr__ is not None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)
