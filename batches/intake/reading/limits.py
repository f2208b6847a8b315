"""What reading a file may take, and how a process holds itself to it."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

MEMORY_MB = 150
"""Beyond what the process has when it begins: its address space may then be so large, and so the memory it holds."""
CPU_SECONDS = 30
WALL_SECONDS = 120
"""By the clock, where the machine has much else to do."""
NICENESS = 5
"""Readers give way to those who answer people."""


def limit_process(*, memory_mb: int, cpu_seconds: int) -> None:
    """Hold this process to the limits: `MemoryError` or an abort beyond the one, SIGXCPU beyond the other."""
    if resource is None:
        return
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    lower(resource.RLIMIT_CPU, cpu_seconds)
    if present := resident_bytes():
        lower(resource.RLIMIT_AS, present + memory_mb * 1024 * 1024)


def lower(kind: int, limit: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def resident_bytes() -> int:
    """0 where the system does not say it, as on macOS, which does not hold to a limit of memory either."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
