"""What a verb of `manage.py batch` is."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

from batches.terminal.screen import Screen


def no_arguments(parser: ArgumentParser) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Verb:
    """`arguments` adds its own to those that every verb has; `run` gets them and the screen, and answers the exit
    code. One that `takes_id` is about a batch, whose id is its first argument."""

    help: str
    run: Callable[[Namespace, Screen], int]
    arguments: Callable[[ArgumentParser], None] = no_arguments
    takes_id: bool = True


def reason_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", default="", help="why; it is shown in the history")
