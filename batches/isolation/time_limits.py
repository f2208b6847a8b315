"""How long an item may run: first it is interrupted, then its process is ended.

Both clocks belong to whoever called the engine: the interval timer and the handler of SIGALRM are borrowed while items
run and put back afterwards, and the watchdog is called off when the slice ends.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # those of `signal` take ten times as long
import faulthandler
import logging
import sys
import threading
from time import monotonic
from types import FrameType
from typing import Any

from batches.conf import settings
from batches.exceptions import ItemTimeout

logger = logging.getLogger("batches")

SHORTEST_TIMER = 1e-6  # seconds; a timer that is set to 0 does not ring at all
SET_ANEW_EVERY = 1.0  # seconds
TIMER_SLACK = 0.01  # seconds; a timer farther off was set by an item


def longest_item_timeout() -> float:
    """Seconds below which every item's limit must lie: so long the database lets a transaction be idle."""
    return float(settings.PORTAL_IDLE_SECONDS)


def legal_item_timeout(seconds: float) -> float:
    """An item's limit as it was accepted; the default where the settings have come to forbid it since."""
    return seconds if seconds < longest_item_timeout() else float(settings.PORTAL_ITEM_TIMEOUT)


class TimeLimit:
    """Raises `ItemTimeout` in an item that runs for more than `seconds`: it began with `start` and ends with `stop`.

    A context manager around the items of a chunk. Outside of it SIGALRM and its timer are the caller's, with what was
    left on it; a caller's alarm that comes due inside rings at the end. Within it the timer is left running from item
    to item, since setting it takes longer than many an item: when it rings, it is set again for what is left of the
    present one. Signals reach the main thread only: elsewhere there is no limit.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.armed, self.due, self.rings_at = seconds, False, 0.0, 0.0
        self.possible = threading.current_thread() is threading.main_thread()
        self.handler = self._interrupt  # one object, so that it can be told from any other
        self.callers_handler: Any = None
        self.callers_timer, self.borrowed_at = (0.0, 0.0), 0.0

    def __enter__(self) -> None:
        if not self.possible:
            return
        self.rings_at, self.borrowed_at = 0.0, monotonic()
        self.callers_timer = signal.getitimer(signal.ITIMER_REAL)
        if self.callers_timer[0]:
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.callers_handler = signal.signal(signal.SIGALRM, self.handler)

    def __exit__(self, *raised: object) -> None:
        if not self.possible:
            return
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.callers_handler is not None:  # None: not set from Python, which cannot put it back
            signal.signal(signal.SIGALRM, self.callers_handler)
        left, interval = self.callers_timer
        if left:
            left -= monotonic() - self.borrowed_at
            signal.setitimer(signal.ITIMER_REAL, max(left, SHORTEST_TIMER), interval)

    def start(self) -> None:
        """An item begins."""
        if self.possible:
            now = monotonic()
            self.due, self.armed = now + self.seconds, True
            if now > self.rings_at:
                self._ring_in(self.seconds)

    def stop(self) -> None:
        """The item is over; if it set an alarm of its own, the next one has its limit all the same."""
        self.armed = False
        if not self.possible:
            return
        if signal.getsignal(signal.SIGALRM) is not self.handler:
            logger.warning("an item changed the handler of SIGALRM of its worker; it was put back")
            signal.signal(signal.SIGALRM, self.handler)
        left = signal.getitimer(signal.ITIMER_REAL)[0]
        if abs(monotonic() + left - self.rings_at) > TIMER_SLACK:
            self.rings_at = 0.0

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


class Watchdog:
    """Ends this process, with its stack on stderr, when an item runs for more than `seconds`; None: never.

    It works from C, so a processor that holds the interpreter's lock or swallows its timeout cannot prevent it. It is
    left on from item to item and set anew once a second, since that starts a thread. A process has only one, so nobody
    calls off what somebody else has set. A context manager around the items of a slice.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.set_until = seconds, 0.0

    def watch(self) -> None:
        """An item begins."""
        if self.seconds is not None and sys.__stderr__ is not None and monotonic() >= self.set_until:
            self.set_until = monotonic() + SET_ANEW_EVERY
            faulthandler.dump_traceback_later(self.seconds, exit=True, file=sys.__stderr__)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *raised: object) -> None:
        self.call_off()

    def call_off(self) -> None:
        """No item is running: to wait, for a turn or for the database, is no hanging."""
        if self.set_until:
            self.set_until = 0.0
            faulthandler.cancel_dump_traceback_later()
