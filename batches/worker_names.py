"""Who a worker is, and whether it still runs.

A pid says something only where it was given: in one PID namespace of one boot of one machine. Host names say nothing
about that. Containers on the host's network share one, and so do cloned machines. A worker is therefore declared dead
only by workers of its own boot and namespace; all others wait until its lease has run out.
"""

from __future__ import annotations

import os
import socket
import uuid
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")


def worker_name() -> str:
    """host:origin:pid:start of this process; the start tells a reused pid from the old one."""
    return _worker_name(os.getpid())


@lru_cache(maxsize=1)
def _worker_name(pid: int) -> str:
    return f"{socket.gethostname()[:80]}:{origin()}:{pid}:{start_of(pid)}"


@lru_cache(maxsize=1)
def origin() -> str:
    """Eight hexadecimal digits for the boot and the PID namespace of this process; where the system has neither, for
    its network hardware (RFC 9562, section 6.10)."""
    try:
        place = f"{BOOT_ID.read_text().strip()} {os.readlink(NAMESPACE)}"
    except OSError:
        place = f"{uuid.getnode():x}"
    return sha256(place.encode()).hexdigest()[:8]


def of_this_origin() -> str:
    """What is in the names of all workers whose pids are this process's business, whatever their host was called."""
    return f":{origin()}:"


def is_dead(worker: str) -> bool:
    """Whether a worker of this origin has ended; of any other nothing is known, and that is no death."""
    return of_this_origin() in worker and not is_alive(worker)


def is_alive(worker: str) -> bool:
    """Whether a worker of this origin still runs."""
    _, pid, start = worker.rsplit(":", 2)
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return start == start_of(int(pid)) and not is_zombie(int(pid))


def is_running(worker: str) -> bool:
    """Whether a worker of this origin runs: it is alive, and neither the process nor its parent is stopped."""
    pid = int(worker.rsplit(":", 2)[1])
    return is_alive(worker) and not any(is_stopped(process) for process in (pid, parent_of(pid)))


def start_of(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), field 22); 0 where there is no /proc."""
    fields = stat_of(pid)
    return fields[19] if fields else "0"


def is_zombie(pid: int) -> bool:
    return stat_of(pid)[:1] == ["Z"]


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped the process (SIGSTOP), or a debugger."""
    return stat_of(pid)[:1] in (["T"], ["t"])


def parent_of(pid: int) -> int:
    """The parent's pid; 0 where there is no /proc."""
    return int((stat_of(pid) or ["", "0"])[1])


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
