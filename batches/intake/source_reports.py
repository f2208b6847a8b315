"""What a reader has learnt of a file, as everybody may see it."""

from __future__ import annotations

from typing import Any

from batches.intake.readers import Reader
from batches.intake.readers.encodings import GUESSED_WORDS
from batches.redaction import is_secret, redact_shapes, redact_values


def source_report(reader: Reader) -> dict[str, Any]:
    """The reader's report without secrets: a file's name may hold one, and so may the words by which an encoding was
    guessed, where a column does."""
    report = reader.report()
    if "filename" in report:
        report["filename"] = redact_shapes(redact_values(report["filename"]))
    if any(map(is_secret, report.get("columns", ()))):
        report["notes"] = [note.partition(GUESSED_WORDS)[0] for note in report.get("notes", ())]
    return report
