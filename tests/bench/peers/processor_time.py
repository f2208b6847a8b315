"""What processes took of the machine, read from /proc (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def seconds_of(root: int, without: int = 0) -> float:
    """CPU seconds of a process and its descendants, also of those that have ended, but for one that is named."""
    children: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        pid = int(place.name)
        children.setdefault(int(fields[1]), []).append(pid)
        seconds[pid] = sum(map(int, fields[11:15])) / TICK  # utime, stime and those of children that were waited for
    total, left = 0.0, [root]
    while left:
        pid = left.pop()
        total += 0.0 if pid == without else seconds.get(pid, 0.0)
        left += children.get(pid, [])
    return total
