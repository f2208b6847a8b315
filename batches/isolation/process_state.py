"""What an item may change of its process and of its session, and how the next item finds everything as it was."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
from _signal import getsignal  # type: ignore[import-not-found]  # the one of `signal` takes ten times as long
from collections.abc import Callable
from functools import lru_cache
from typing import Any

logger = logging.getLogger("batches")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)  # SIGALRM is the time limit's
TERM, INT, CHLD = (int(number) for number in SIGNALS)

SESSION = re.compile(
    r"\A\s*(?:SET|RESET|DISCARD|LISTEN|PREPARE|PRAGMA|ATTACH|DETACH|LOAD|CREATE\s+(?:GLOBAL\s+|LOCAL\s+)?TEMP(?:ORARY)?)\b"
    r"|\bset_config\s*\(|\bpg_(?:try_)?advisory_lock",
    re.I,
)
LONGEST_REMEMBERED = 4_096  # characters
TRANSACTION_ONLY = re.compile(r"\A\s*SET\s+(?:LOCAL|CONSTRAINTS)\b", re.I)


def remembered(test: Callable[[str], bool]) -> Callable[[str], bool]:
    """Test a statement once, not with every item; long ones are long lists of values, and seldom the same."""
    short = lru_cache(maxsize=512)(test)
    return lambda sql: short(sql) if len(sql) <= LONGEST_REMEMBERED else test(sql)


@remembered
def changes_session(sql: str) -> bool:
    """Whether a statement changes more than tables for later ones of the same connection."""
    return SESSION.search(sql) is not None


def outlives_transaction(sql: str) -> bool:
    """Whether what a statement changes of the session lasts beyond a commit."""
    return TRANSACTION_ONLY.match(sql) is None


class ProcessState:
    """The working directory, environment, signal handlers and defaults of this process, as they are now.

    Every item pays for the look, so it is quick: 2 us. What lives in context variables (the time zone and language
    that are active, the precision of decimals) needs none: each item has a context of its own.
    """

    def __init__(self) -> None:
        self.in_main_thread = threading.current_thread() is threading.main_thread()
        self.directory, self.environment = working_directory(), dict(variables())
        self.handlers = handlers()
        self.socket_timeout = socket.getdefaulttimeout()

    def note_handlers(self) -> None:
        """The signal handlers as they are now are those to put back."""
        self.handlers = handlers()

    def restore(self) -> None:
        """Put back what is different."""
        if working_directory() != self.directory and self.directory:
            self.warn("working directory")
            os.chdir(self.directory)
        if variables() != self.environment:
            self.warn("environment")
            for name in [*variables()]:
                del os.environ[os.fsdecode(name)]
            os.environ.update({os.fsdecode(name): os.fsdecode(value) for name, value in self.environment.items()})
        if socket.getdefaulttimeout() != self.socket_timeout:
            self.warn("default timeout of sockets")
            socket.setdefaulttimeout(self.socket_timeout)
        if self.in_main_thread and handlers() != self.handlers:
            self.restore_handlers()

    def restore_handlers(self) -> None:
        for number, handler in zip(SIGNALS, self.handlers, strict=True):
            if getsignal(number) is not handler and handler is not None:
                self.warn(f"handler of {number.name}")
                signal.signal(number, handler)

    def warn(self, what: str) -> None:
        logger.warning("an item changed the %s of its worker; it was put back", what)


def handlers() -> tuple[Any, ...]:
    return getsignal(TERM), getsignal(INT), getsignal(CHLD)


def working_directory() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # somebody removed it
        return ""


def variables() -> dict[bytes, bytes]:
    """The environment as it is kept: a comparison of `os.environ` itself decodes every value."""
    return os.environ._data  # type: ignore[no-any-return, attr-defined]
