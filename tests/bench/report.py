"""Writes a bench's section of docs/benchmarks.md, between the two comments that bear its name."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from tests.helpers.places import ROOT

BENCHMARKS = ROOT / "docs" / "benchmarks.md"


def write_section(name: str, text: str, page: Path = BENCHMARKS) -> None:
    """LookupError where the page has no such section."""
    before, _, after = parts(name, page)
    page.write_text(f"{before}\n{text.strip()}\n\n{after}")


def section(name: str, page: Path = BENCHMARKS) -> str:
    return parts(name, page)[1].strip()


def parts(name: str, page: Path) -> tuple[str, str, str]:
    begin, end = (f"<!-- {name}: {which} -->\n" for which in ("begin", "end"))
    found = re.fullmatch(f"(.*{re.escape(begin)})(.*)({re.escape(end)}.*)", page.read_text(), re.DOTALL)
    if found is None:
        raise LookupError(f"{page.name} has no section {name}.")
    return found[1], found[2], found[3]


def machine(postgresql: str) -> str:
    """What the figures were measured on, and when, in a sentence; with the version of PostgreSQL."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model[1] if model else platform.machine()}), "
        f"{int(memory[1]) / 1024**2 if memory else 0:.0f} GiB of memory, Python {platform.python_version()}, "
        f"PostgreSQL {postgresql}."
    )
