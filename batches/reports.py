"""What other apps have to say about a batch on the command line: `manage.py batch NAME ID`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Report:
    """`document` of a batch id is what `--json` prints; `lines` says the same to people."""

    help: str
    document: Callable[[str], dict[str, Any]]
    lines: Callable[[dict[str, Any]], Iterator[str]]


REPORTS: dict[str, Report] = {}
"""By the name of the command; apps add theirs when they are ready."""
