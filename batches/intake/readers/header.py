"""The names of a table's columns: which row has them, and which columns have none."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from batches.exceptions import InputRefused
from batches.intake.readers.base import MAX_COLUMNS
from batches.wording import quantity

ROWS_LOOKED_AT = 200
NUMBER = re.compile(r"[-+]?[\d., \u00a0']*\d[\d., \u00a0']*%?\Z", re.ASCII)
YEAR = re.compile(r"(?:19|20)\d\d\Z", re.ASCII)


def clean_name(text: str) -> str:
    """A name as people read it: composed, without invisible characters and without blanks around it."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c) != "Cf")
    return text.strip()


def letter_of(index: int) -> str:
    """What a spreadsheet calls the column: 0 is A, 26 is AA."""
    letters = ""
    while index >= 0:
        letters, index = chr(ord("A") + index % 26) + letters, index // 26 - 1
    return letters


@dataclass(slots=True)
class Header:
    """The columns of a table. `names` has a name for each that is read, `places` where it stands in a row, `nameless`
    the places without a name; `width` is what a row has of cells up to the last name."""

    row: int
    names: list[str]
    places: list[int]
    nameless: list[int] = field(default_factory=list)

    @property
    def width(self) -> int:
        return self.places[-1] + 1

    @property
    def is_plain(self) -> bool:
        """Whether cell after cell belongs to name after name."""
        return self.places == list(range(len(self.places)))

    @property
    def notes(self) -> list[str]:
        inner = [letter_of(place) for place in self.nameless if place < self.width]
        notes = [f"Column {', '.join(inner)} has no name and no cells, and is left out."] if inner else []
        numbers = [name for name in self.names if is_number(name)]
        if 2 * len(numbers) > len(self.names):
            notes.append(
                f"Row {self.row} was read as the columns' names, with numbers ({', '.join(numbers[:3])}): if it is "
                "a row like the others, put the names above it."
            )
        return notes

    def payload_cells(self, cells: Sequence[object]) -> list[object]:
        """The cells that have a name."""
        return [cells[place] for place in self.places]

    def refuse_nameless_cells(self, cells: Sequence[object], row: int, line: int | None) -> None:
        """A cell in a column without a name would be lost."""
        for place in range(len(cells)):
            if cells[place] not in ("", None) and str(cells[place]).strip() and self.is_nameless(place):
                letter = letter_of(place)
                raise InputRefused(
                    f"column {letter} has no name, and {str(cells[place])[:40]!r} stands in it.",
                    remedy=f"Name it, take the cell out, or have it called {letter} (--name-columns).",
                    row=row,
                    line=line,
                )

    def is_nameless(self, place: int) -> bool:
        return place >= self.width or place in self.nameless


def header_of(cells: Sequence[str], row: int, *, name_columns: bool, width: int = 0) -> Header:
    """The header that a row's cells make; `width` is how many cells the rows below have. `InputRefused`: it is none."""
    names = [clean_name(cell) for cell in cells]
    if name_columns:
        names += [""] * (width - len(names))
        names = [name or letter_of(place) for place, name in enumerate(names)]
    places = [place for place, name in enumerate(names) if name]
    header = Header(row, [names[place] for place in places], places, [p for p, name in enumerate(names) if not name])
    refuse_header(header)
    return header


def refuse_header(header: Header) -> None:
    names, row = header.names, header.row
    if not names:
        raise InputRefused(
            f"Row {row} names no column.", remedy="Name the columns there, or choose another header row.", row=row
        )
    if len(names) > MAX_COLUMNS:
        raise InputRefused(
            f"The header has {quantity(len(names), 'column')}.", remedy=f"At most {MAX_COLUMNS} are read.", row=row
        )
    for name, times in Counter(names).items():
        if times > 1:
            remedy = "Rename one of them."
            if is_number(name):
                remedy = "Is it a row like the others? Put the columns' names above it."
            raise InputRefused(f"The header names two columns {name!r}.", remedy=remedy, row=row, column=name)


def notes_on_names(names: Iterable[str]) -> list[str]:
    """Names that people take for one."""
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(name.casefold(), []).append(name)
    alike = [", ".join(map(repr, group)) for group in spellings.values() if len(group) > 1]
    return [f"{names} differ in capitals only, and are columns of their own." for names in alike]


def is_number(cell: str) -> bool:
    """Whether a cell holds a number that is no year: such are data, and rarely names."""
    return bool(NUMBER.match(cell.strip())) and not YEAR.match(cell.strip())


def trimmed(cells: Sequence[str]) -> list[str]:
    """Without empty cells at the end."""
    last = max((place for place, cell in enumerate(cells) if str(cell).strip()), default=-1)
    return list(cells[: last + 1])
