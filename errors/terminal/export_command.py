"""`manage.py batch export ID`: a file, or text for the next command."""

from __future__ import annotations

import json
import os
import secrets
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO

from batches import operations
from batches.exceptions import InvalidInput
from batches.reports import COMMAND_LINE
from errors import exports
from errors.exports.downloads import filter_of
from errors.exports.exporters import EXPORTERS
from errors.exports.request import Wanted
from errors.exports.tables import KINDS
from errors.filters.error_filter import ErrorFilter

OK, BROKE = 0, 4


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--format", choices=list(EXPORTERS), default="csv")
    parser.add_argument("--kind", choices=list(KINDS), default="detail", help="what a row is; detail unless told")
    parser.add_argument("-o", "--output", metavar="FILE", default="", help="written as a whole or not at all")
    parser.add_argument("--raw", action="store_true", help="no guard before cells that a spreadsheet would run")
    for known in fields(ErrorFilter):
        parser.add_argument(f"--{known.name}", default="", metavar="…", help="as the filter of the desk has it")


def run(asked: Namespace, out: Any) -> int:
    """Write it; `out` is Django's wrapper around the standard output."""
    refuse_mixture(asked)
    error_filter = filter_of({known.name: getattr(asked, known.name) for known in fields(ErrorFilter)})
    batch = operations.get_batch(asked.id)
    wanted = Wanted(batch, kind=asked.kind, format=asked.format, error_filter=error_filter, raw=asked.raw)
    rows = wanted.rows
    exports.record(wanted, actor=COMMAND_LINE)
    if not asked.output:
        return to_stream(wanted.blocks(), out)
    size = to_file(wanted.blocks(), Path(asked.output))
    about: dict[str, Any] = {
        "batch_id": batch.pk,
        "kind": wanted.kind,
        "format": wanted.format,
        "filters": error_filter.as_dict(),
    }
    about |= {"raw": wanted.raw, "rows": rows, "bytes": size, "file": str(Path(asked.output).resolve())}
    if asked.json:
        out.write(json.dumps(about, ensure_ascii=False))
    else:
        out.write(f"{batch.pk}: {rows:,} rows, {size:,} bytes written to {asked.output}")
    return OK


def refuse_mixture(asked: Namespace) -> None:
    if not asked.output and asked.format == "xlsx":
        raise InvalidInput("A workbook is no text: name its file with -o FILE.")
    if not asked.output and asked.json:
        raise InvalidInput("--json says what was written where: name the file with -o FILE.")
    if asked.output and Path(asked.output).is_dir():
        raise InvalidInput(f"{asked.output} is a directory: name a file in it.")


def to_stream(blocks: Iterator[bytes], out: Any) -> int:
    """As bytes, where there is a real standard output; who reads may stop when it has enough."""
    stream: TextIO = getattr(out, "_out", out)
    try:
        for block in blocks:
            binary = getattr(stream, "buffer", None)
            binary.write(block) if binary else stream.write(block.decode())
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more when it ends
        return BROKE
    return OK


def to_file(blocks: Iterator[bytes], path: Path) -> int:
    """The whole file under its name, or nothing; returns its size in bytes."""
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        part.replace(path)
        return size
    finally:
        part.unlink(missing_ok=True)
