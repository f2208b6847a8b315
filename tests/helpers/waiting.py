"""Waiting for what other processes do, within a bound that only a fault reaches, however busy the machine is."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Callable
from typing import Any

PATIENCE = 300.0
"""Seconds."""


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Return as soon as the condition holds; AssertionError after so many seconds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"it did not happen within {seconds:g} s"
        time.sleep(0.02)


def wait_for_answer(url: str, *servers: subprocess.Popen[Any]) -> None:
    """Until the address answers 200; AssertionError as soon as one of the processes behind it has ended."""

    def answers() -> bool:
        for server in servers:
            assert server.poll() is None, f"{server.args!r} ended with {server.returncode}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_until(answers)
