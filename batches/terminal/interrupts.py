"""Ctrl-C while a batch runs in this terminal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from batches import operations
from batches.command_line import COMMAND_LINE
from batches.exceptions import InvalidTransition
from batches.terminal.exit_codes import STOPPED


class PauseOnInterrupt:
    """The first Ctrl-C asks for a pause and lets the chunk in hand commit; the second quits."""

    def __init__(self, batch_id: str, remark: Callable[[str], Any]) -> None:
        self.batch_id, self.remark, self.interrupted = batch_id, remark, False

    def __enter__(self) -> PauseOnInterrupt:
        self.before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *raised: object) -> None:
        signal.signal(signal.SIGINT, self.before)
        if self.interrupted:
            try:
                operations.pause(self.batch_id, actor=COMMAND_LINE, reason="Ctrl-C")
            except InvalidTransition:
                pass  # it came to rest by itself

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        if self.interrupted:
            sys.exit(STOPPED)
        self.interrupted = True
        self.remark("Pausing after the chunk in hand; Ctrl-C again to quit at once.")

    def should_stop(self) -> bool:
        return self.interrupted
