"""The processes that hold something, by name, and whether they are alive."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path


def worker_name() -> str:
    """host:pid:start of this process; the start tells a reused pid from the old one."""
    return _worker_name(os.getpid())


@lru_cache(maxsize=1)
def _worker_name(pid: int) -> str:
    return f"{socket.gethostname()[:80]}:{pid}:{start_of(pid)}"


def is_dead(worker: str) -> bool:
    """Whether a worker of this host is gone; of another host nobody knows."""
    return worker.startswith(f"{socket.gethostname()}:") and not is_alive(worker)


def is_alive(worker: str) -> bool:
    """Whether a worker of this host still runs."""
    _, pid, start = worker.rsplit(":", 2)
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return start == start_of(int(pid)) and not is_zombie(int(pid))


def start_of(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), field 22); 0 where there is no /proc."""
    fields = stat_of(pid)
    return fields[19] if fields else "0"


def is_zombie(pid: int) -> bool:
    return stat_of(pid)[:1] == ["Z"]


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
