"""Two processors that share a quota, and write down when each of their items began and ended."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from batches.processors import Context, ItemError, processor


def timed(payload: dict[str, Any]) -> None:
    began = time.monotonic()
    time.sleep(payload.get("seconds", 0))
    line = f"{began} {time.monotonic()} {payload['name']}\n".encode()
    log = os.open(payload["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, line)
    os.close(log)
    if "slow_down" in payload:
        raise ItemError("too many", category="rate_limit", code="HTTP_429", after=payload.pop("slow_down"))


@processor("metered.calls", effects="external", parallel=4, quota="provider")
def calls(payload: dict[str, Any], context: Context) -> None:
    """A call to the provider."""
    timed(payload)


@processor("metered.rows", quota="provider")
def rows(payload: dict[str, Any], context: Context) -> None:
    """A row that asks the provider in its transaction."""
    timed(payload)


def spans(log: Path) -> list[tuple[float, float, str]]:
    """(began, ended, name) of every item, by when it began; seconds of the machine's monotonic clock."""
    lines = [line.split() for line in log.read_text().splitlines()]
    return sorted((float(began), float(ended), name) for began, ended, name in lines)


def most_at_once(log: Path) -> int:
    """How many items ran at the same time, at most."""
    moments = sorted([(began, 1) for began, _, _ in spans(log)] + [(ended, -1) for _, ended, _ in spans(log)])
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    return most
