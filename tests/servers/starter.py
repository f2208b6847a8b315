"""Servers live no longer than the process that started them, however it ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
ENDED = 128 + signal.SIGTERM
"""How a process exits that SIGTERM has ended."""


def dies_with_starter(by: int) -> Callable[[], None]:
    """A `preexec_fn`: the process gets that signal when this thread, or the process around it, has ended."""
    starter = os.getpid()

    def begin() -> None:
        if LIBC is not None:
            LIBC.prctl(PR_SET_PDEATHSIG, by)
            if os.getppid() != starter:
                os._exit(1)

    return begin


def end_in_order() -> None:
    """From now on SIGTERM, as `timeout` sends, ends this process through its `finally`s: nothing stays behind."""
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(ENDED))
