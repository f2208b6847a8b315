"""Options of `batch run` and `batch fix` for how a file is to be read, and a file that comes by standard input."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from batches.intake.readers.formats import suffix_by_content
from batches.intake.readers.options import HELP, NAMES

STANDARD_INPUT = "-"


def file_arguments(parser: ArgumentParser) -> None:
    for name in NAMES:
        text = HELP[name][0].lower() + HELP[name][1:].removesuffix(".")
        flag = f"--{name.replace('_', '-')}"
        if name in ("name_columns", "short_rows"):
            parser.add_argument(flag, action="store_true", help=text)
        elif name == "header_row":
            parser.add_argument(flag, type=int, default=0, metavar="N", help=text)
        else:
            parser.add_argument(flag, default="", help=text)


def file_options(options: Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in NAMES if getattr(options, name)}


@contextmanager
def opened(path: str) -> Iterator[tuple[BinaryIO, str]]:
    """(file, its name); of standard input a copy, named after what its content is."""
    if path != STANDARD_INPUT:
        with Path(path).open("rb") as file:
            yield file, Path(path).name
        return
    with TemporaryFile() as copy:
        copyfileobj(sys.stdin.buffer, copy)
        yield copy, f"input{suffix_by_content(copy)}"  # type: ignore[misc]
