"""Start the process that reads a file, wait for it, and put into words how it ended."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import UnsupportedOperation
from pathlib import PurePath
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from batches.conf import settings
from batches.exceptions import InputRefused, OperationInProgress
from batches.intake.reading import limits
from batches.intake.reading.__main__ import REQUEST

logger = logging.getLogger("batches")

AT_A_TIME = 2
"""Files that a process has read for it side by side; others wait for their turn."""
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "COVERAGE_PROCESS_CONFIG")
"""What the reading process knows of this one's environment, which is full of secrets."""
TEXTS = (".csv", ".tsv", ".txt", ".json", ".ndjson", ".jsonl")
OUT_OF_MEMORY = {-signal.SIGABRT, -signal.SIGKILL}
OUT_OF_TIME = {-signal.SIGXCPU} if hasattr(signal, "SIGXCPU") else set()
WORKBOOK_IS_LARGE = (
    "A workbook is read as a whole, about a million cells of it: save it as CSV, which is read row by row. Where it "
    "has not as many, clear what stands far away from the table."
)
_turns = threading.BoundedSemaphore(AT_A_TIME)


def have_read(file: BinaryIO, rows: BinaryIO, request: dict[str, Any]) -> dict[str, Any]:
    """Have a process read the file from its start and write its rows; what it answers.

    `InputRefused`: it cannot be read, or not within the limits. `OperationInProgress`: too many others are being read.
    """
    if not _turns.acquire(timeout=limits.WALL_SECONDS):
        raise OperationInProgress("Other files are being read at this moment; send it again shortly.")
    try:
        with on_disk(file) as stream:
            stream.seek(0)
            code, words = outcome(stream, rows, request)
    finally:
        _turns.release()
    answer: dict[str, Any] = json.loads(words.rpartition("\n")[2]) if code == 0 else {}
    if code != 0 or "out_of_memory" in answer:
        raise refusal_of(code or -signal.SIGABRT, words, PurePath(request["options"]["filename"]).suffix)
    if "refused" in answer:
        raise InputRefused(**answer["refused"])
    return answer


def outcome(file: BinaryIO, rows: BinaryIO, request: dict[str, Any]) -> tuple[int, str]:
    """The exit code and the words of the process."""
    command = [sys.executable, "-P", "-W", "ignore", "-m", "batches.intake.reading"]
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    request = {**request, "limits": {"memory_mb": limits.MEMORY_MB, "cpu_seconds": limits.CPU_SECONDS}}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), REQUEST: json.dumps(request)}
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=file, stdout=rows, stderr=subprocess.PIPE, env=environment, process_group=0
    )
    try:
        words = process.communicate(timeout=limits.WALL_SECONDS)[1].decode(errors="replace")
    except subprocess.TimeoutExpired:
        return min(OUT_OF_TIME, default=-signal.SIGTERM), ""
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    return process.returncode, words


def refusal_of(code: int, words: str, suffix: str) -> InputRefused:
    """Why a process did not answer."""
    if code in OUT_OF_TIME:
        return InputRefused(f"Reading the file took more than {limits.CPU_SECONDS} s.", remedy="Split it.")
    if code in OUT_OF_MEMORY:
        return InputRefused(
            f"Reading the file took more than {limits.MEMORY_MB} MB of memory.",
            remedy="Is a quote left open, or a whole file in one cell?" if suffix in TEXTS else WORKBOOK_IS_LARGE,
        )
    logger.error("a file could not be read: the process ended with %s: %s", code, words[-2_000:])
    return InputRefused("The file could not be read.", remedy="Is it damaged? Save it again, as another format.")


@contextmanager
def on_disk(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file itself, or a copy of one that stands in memory."""
    try:
        file.fileno()
    except (AttributeError, UnsupportedOperation):
        with temporary_file() as copy:
            file.seek(0)
            copyfileobj(file, copy)
            copy.flush()
            yield copy
    else:
        yield file


def temporary_file() -> BinaryIO:
    """A file that has no name, and so is gone with the process."""
    return TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # type: ignore[return-value]
