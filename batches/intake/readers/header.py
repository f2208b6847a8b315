"""The names of a table's columns: which row has them, and which columns have none."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from batches.exceptions import InputRefused
from batches.intake.readers.base import MAX_COLUMNS

ROWS_LOOKED_AT = 200
NAMES_SHOWN = 4


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
        return [f"Column {', '.join(inner)} has no name and no cells, and is left out."] if inner else []

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
            f"The header has {len(names):,} columns.", remedy=f"At most {MAX_COLUMNS} are read.", row=row
        )
    for name, times in Counter(names).items():
        if times > 1:
            raise InputRefused(
                f"The header names two columns {name!r}.", remedy="Rename one of them.", row=row, column=name
            )


def notes_on_names(names: Iterable[str]) -> list[str]:
    """Names that people take for one."""
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(name.casefold(), []).append(name)
    alike = [", ".join(map(repr, group)) for group in spellings.values() if len(group) > 1]
    return [f"{names} differ in capitals only, and are columns of their own." for names in alike]


def trimmed(cells: Sequence[str]) -> list[str]:
    """Without empty cells at the end."""
    last = max((place for place, cell in enumerate(cells) if str(cell).strip()), default=-1)
    return list(cells[: last + 1])


def refuse_preamble(rows: Sequence[tuple[int, Sequence[str]]]) -> None:
    """Rows above a table: the first one is narrower than most of those below, and a later one names as many columns.

    `rows` are the first of a table that are not blank, with their numbers.
    """
    if len(rows) < 3:
        return
    shapes = [(number, trimmed(cells)) for number, cells in rows[:ROWS_LOOKED_AT]]
    number, first = shapes[0]
    wider = Counter(len(cells) for _, cells in shapes[1:] if len(cells) > len(first))
    usual, times = wider.most_common(1)[0] if wider else (0, 0)
    if times < 2 or times < len(shapes) / 2:
        return
    for place, (candidate, cells) in enumerate(shapes[1:-1], 1):
        below = sum(len(later) == usual for _, later in shapes[place + 1 :])
        if len(cells) == usual and below and all(str(cell).strip() for cell in cells):
            names = ", ".join(str(cell).strip()[:30] for cell in cells[:NAMES_SHOWN])
            raise InputRefused(
                f"The first row has {len(first)} of {usual} cells, and is no header of the rows below: row {candidate} "
                f"has {usual} names ({names}{', …' if usual > NAMES_SHOWN else ''}) and {below} such rows below it.",
                remedy=f"Choose row {candidate} as the header (--header-row {candidate}), or take out what is above.",
                row=number,
            )
