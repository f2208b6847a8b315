"""What other apps have to say and do about a batch on the command line: `manage.py batch NAME ID`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

COMMAND_LINE = "command line"
"""Who acts there, on record."""


@dataclass(frozen=True, slots=True)
class Report:
    """`document` of a batch id is what `--json` prints; `lines` says the same to people."""

    help: str
    document: Callable[[str], dict[str, Any]]
    lines: Callable[[dict[str, Any]], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Act:
    """`arguments` adds its own to those that every command has; `run` gets them and the output, and answers the exit
    code."""

    help: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Any], int]


REPORTS: dict[str, Report] = {}
ACTS: dict[str, Act] = {}
"""By the name of the command; apps add theirs when they are ready."""
