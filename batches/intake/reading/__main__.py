"""The process that reads a file: the file is its standard input, its rows go to standard output, and what else there is
to say to standard error, as one JSON object. What it is to do is in an environment variable, which others cannot see.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, BinaryIO

from batches.exceptions import InputRefused
from batches.intake.readers import open_reader
from batches.intake.readers.keyed import Keyed
from batches.intake.reading.limits import limit_process
from batches.intake.reading.spool import write_rows

REQUEST = "BATCHPORTAL_READ"
KEYS_KEPT = 1_000_000
"""In which a key that occurs twice is found while the file is read, not by the database when its rows are stored."""


def main() -> None:
    request = json.loads(os.environ[REQUEST])
    limit_process(**request.pop("limits"))
    try:
        answer = read(open(0, "rb", closefd=False), open(1, "wb", closefd=False), **request)  # noqa: SIM115
    except InputRefused as refused:
        place = {"row": refused.row, "line": refused.line, "column": refused.column}
        answer = {"refused": {"problem": refused.problem, "remedy": refused.remedy, **place}}
    except MemoryError:
        answer = {"out_of_memory": True}
    json.dump(answer, sys.stderr)


def read(
    file: BinaryIO, spool: BinaryIO, *, options: dict[str, Any], key_column: str, repeats: bool, **bounds: int
) -> dict[str, Any]:
    """Write all rows to the spool, or with `repeats` find the key that occurs twice; what was learnt of the file."""
    reader = open_reader(file, **options)
    rows = Keyed(reader, key_column)
    if repeats:
        rows.refuse_repeated_key()
        return {}
    write_rows(rows.unrepeated(KEYS_KEPT) if key_column else rows, spool, **bounds)
    return {
        "columns": reader.columns,
        "batch_id": reader.batch_id,
        "format": reader.format,
        "details": reader.details(),
        "count": rows.count,
        "names": list(rows.names),
    }


if __name__ == "__main__":
    main()
