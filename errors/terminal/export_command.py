"""`manage.py batch export ID`: a file, or text for the next command."""

from __future__ import annotations

import os
import secrets
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO

from batches import operations
from batches.command_line import COMMAND_LINE, Screen
from batches.exceptions import InvalidInput
from batches.wording import quantity
from errors import exports
from errors.exports.downloads import parse_filter
from errors.exports.exporters import EXPORTERS
from errors.exports.request import ExportRequest
from errors.exports.tables import KINDS
from errors.filters.error_filter import ErrorFilter

OK, BROKE = 0, 4

FORMAT_HELP = "of the file; semicolon is CSV as spreadsheets have it where the decimal sign is a comma"


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--format", choices=list(EXPORTERS), default="csv", help=FORMAT_HELP)
    parser.add_argument("--kind", choices=list(KINDS), default="detail", help="what a row is; detail if left out")
    parser.add_argument("-o", "--output", metavar="FILE", default="", help="written as a whole or not at all")
    parser.add_argument("--raw", action="store_true", help="no guard before cells that a spreadsheet would run")
    for field in fields(ErrorFilter):
        parser.add_argument(f"--{field.name}", default="", metavar="…", help="as the filter of the desk has it")


def run(options: Namespace, screen: Screen) -> int:
    """Write the export, to the screen or a file. Returns the exit code."""
    refuse_contradictions(options)
    error_filter = parse_filter({field.name: getattr(options, field.name) for field in fields(ErrorFilter)})
    batch = operations.get_batch(options.id)
    export_request = ExportRequest(
        batch, kind=options.kind, format=options.format, error_filter=error_filter, raw=options.raw
    )
    exports.record(export_request, actor=COMMAND_LINE)
    if not options.output:
        return to_stream(export_request.blocks(), screen.out)
    document = written(export_request, Path(options.output))
    counts = f"{quantity(document['rows'], 'row')}, {document['bytes']:,} bytes"
    screen.answer(document, [f"{batch.pk}: {counts} written to {options.output}"])
    return OK


def refuse_contradictions(options: Namespace) -> None:
    if not options.output and options.format == "xlsx":
        raise InvalidInput("A workbook is no text: name its file with -o FILE.")
    if not options.output and options.json:
        raise InvalidInput("--json says what was written where: name the file with -o FILE.")
    if options.output and Path(options.output).is_dir():
        raise InvalidInput(f"{options.output} is a directory: name a file in it.")


def written(export_request: ExportRequest, path: Path) -> dict[str, Any]:
    """Write the file, and say what is in it."""
    return {
        "batch_id": export_request.batch.pk,
        "kind": export_request.kind,
        "format": export_request.format,
        "filters": export_request.error_filter.as_dict(),
        "raw": export_request.raw,
        "rows": export_request.row_count,
        "bytes": to_file(export_request.blocks(), path),
        "file": str(path.resolve()),
    }


def to_stream(blocks: Iterator[bytes], out: Any) -> int:
    """Write bytes to a real standard output, text elsewhere; a reader that has enough may close it."""
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
