"""What a caller may say of a file; empty: it is recognised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from batches.exceptions import InputRefused

HELP = {
    "encoding": "Of a text file, such as cp1250. Empty: recognised.",
    "delimiter": "Of a CSV file: one character, or tab. Empty: recognised.",
    "sheet": "The sheet of a workbook, or the file within a .zip. Empty: the first one that is visible and not empty.",
    "header_row": "The row that names the columns, counted from 1. Empty: the first one that is not blank.",
    "name_columns": "Call a column without a name by its letter, as spreadsheets do.",
    "short_rows": "Take rows with fewer cells than the header; what is missing is empty.",
}
NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How a file is to be read, where the caller knows better; `HELP` has a sentence for each."""

    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    header_row: int = 0
    name_columns: bool = False
    short_rows: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "delimiter", NAMED.get(self.delimiter.lower(), self.delimiter))
        if len(self.delimiter) > 1 or self.delimiter in ("\n", "\r", '"', "\x00"):
            raise InputRefused(
                f"{self.delimiter!r} cannot be a delimiter.", remedy="Give one character, or one of comma, tab, pipe."
            )
        if self.header_row < 0:
            raise InputRefused("The header's row is counted from 1.", remedy="Leave it empty, or give its number.")

    def given(self) -> dict[str, Any]:
        """Those that say something."""
        return {name: value for name, value in asdict(self).items() if value}


NAMES = tuple(field.name for field in fields(FileOptions))


def options_of(given: Mapping[str, Any]) -> FileOptions:
    """The options among a caller's arguments; None and empty texts say nothing."""
    return FileOptions(**{name: given[name] for name in NAMES if given.get(name)})
