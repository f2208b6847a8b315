"""What a verb of `manage.py batch` is, and the screen it writes to."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

COMMAND_LINE = "command line"
"""Who acts there, on record."""
COMMAND_CHECKS = "batch_commands"
"""The tag of the system checks that a command makes first: of what it runs by, not of pages, REST and messages."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Lines for people, or one JSON document if `as_json`; remarks beside them go to standard error."""

    out: Any
    err: Any
    as_json: bool

    def line(self, text: str) -> None:
        self.out.write(text)

    def lines(self, texts: Iterable[str]) -> None:
        self.out.write("\n".join(texts))

    def answer(self, document: Any, texts: Iterable[str]) -> None:
        """What a verb found out or did: as one JSON document, or as lines for people."""
        if self.as_json:
            self.document(document)
        else:
            self.lines(texts)

    def remark(self, text: str) -> None:
        self.err.write(text)

    def document(self, value: Any) -> None:
        self.out.write(json.dumps(value, ensure_ascii=False, default=str))


def no_arguments(parser: ArgumentParser) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Verb:
    """`arguments` adds the verb's own to those that every verb has; `run` gets them and the screen, and answers the
    exit code. A verb that `takes_id` is about a batch, whose id is its first argument."""

    help: str
    run: Callable[[Namespace, Screen], int]
    arguments: Callable[[ArgumentParser], None] = no_arguments
    takes_id: bool = True


def reason_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", default="", help="why; it is shown in the history")
