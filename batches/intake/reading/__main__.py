"""The process that reads a file: the file is its standard input, its rows go to standard output, and what else there is
to say to standard error, as one JSON object. What it is to do is in an environment variable, which others cannot see.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from math import ceil
from time import process_time
from typing import Any, BinaryIO

from batches.exceptions import InputRefused
from batches.intake.readers import open_reader
from batches.intake.readers.keyed import Keyed, KeyedRow
from batches.intake.reading.limits import limit_process
from batches.intake.reading.spool import write_rows

REQUEST = "BATCHPORTAL_READ"
KEYS_KEPT = 1_000_000
"""In which a key that occurs twice is found while the file is read, not by the database when its rows are stored."""

ROWS_PER_LOOK = 10_000
"""Between two looks at the time."""
HOPELESS = 1.5
"""Times the limit, from which on a file is refused that is read a tenth of the time."""


def main() -> None:
    request = json.loads(os.environ[REQUEST])
    bounds = request.pop("limits")
    limit_process(**bounds)
    request["cpu_seconds"] = bounds["cpu_seconds"]
    try:
        answer = read(open(0, "rb", closefd=False), open(1, "wb", closefd=False), **request)  # noqa: SIM115
    except InputRefused as refused:
        place = {"row": refused.row, "line": refused.line, "column": refused.column}
        answer = {"refused": {"problem": refused.problem, "remedy": refused.remedy, **place}}
    except MemoryError:
        answer = {"out_of_memory": True}
    json.dump(answer, sys.stderr)


def read(
    file: BinaryIO,
    spool: BinaryIO,
    *,
    options: dict[str, Any],
    key_column: str,
    repeats: bool,
    cpu_seconds: float,
    **bounds: int,
) -> dict[str, Any]:
    """Write all rows to the spool, or with `repeats` find the key that occurs twice; what was learnt of the file."""
    reader = open_reader(file, **options)
    rows = Keyed(reader, key_column)
    if repeats:
        rows.refuse_repeated_key()
        return {}
    kept = rows.unrepeated(KEYS_KEPT) if key_column else rows
    write_rows(in_time(kept, file, cpu_seconds), spool, **bounds)
    return {
        "columns": reader.columns,
        "batch_id": reader.batch_id,
        "format": reader.format,
        "details": reader.details(),
        "count": rows.count,
        "names": list(rows.names),
    }


def in_time(rows: Iterable[KeyedRow], file: BinaryIO, cpu_seconds: float) -> Iterator[KeyedRow]:
    """The rows; `InputRefused` once it is plain that all of the file cannot be read within the limit.

    Whoever waits for the answer is told after a tenth of the time; a file that is read as a whole first is not judged.
    """
    size = os.fstat(file.fileno()).st_size
    for number, row in enumerate(rows, 1):
        if number % ROWS_PER_LOOK == 0 and (spent := process_time()) > cpu_seconds / 10:
            part = os.lseek(file.fileno(), 0, os.SEEK_CUR) / size
            if (needed := spent / part) > HOPELESS * cpu_seconds:
                raise InputRefused(
                    f"the rows up to this one are {part:.0%} of the file; to read all of it would take about "
                    f"{needed:,.0f} s of processor time, and {cpu_seconds:g} s is the limit.",
                    remedy=f"Split it into {ceil(needed / cpu_seconds) + 1} files.",
                    row=row.row,
                    line=row.line,
                )
        yield row


if __name__ == "__main__":
    main()
