"""Rows above a table: which of those below names the columns is proposed, and for the caller to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from batches.exceptions import InputRefused
from batches.intake.readers.header import ROWS_LOOKED_AT, is_number, trimmed

NAMES_SHOWN = 4
LEAST_ROWS = 3
LONGEST_HEADER = 4
"""Rows that may name the columns together; the last of them is proposed."""
Shape = tuple[int, list[str]]
"""A row's number, and its cells without empty ones at the end."""


def refuse_preamble(
    rows: Sequence[tuple[int, Sequence[str]]], *, name_columns: bool = False, is_text: bool = False
) -> None:
    """`InputRefused` where the first row is narrower than most of those below, or is a title above a table: it says
    which row has the columns' names. `rows` are the first that are not blank, with their numbers; in a text any
    sentence with a comma has more cells than one, so that it takes more rows to be a table."""
    shapes = [(number, trimmed(cells)) for number, cells in rows[:ROWS_LOOKED_AT]]
    usual = usual_width(shapes)
    table = [place for place, (_, cells) in enumerate(shapes) if len(cells) == usual]
    place = header_in(shapes, table) if usual else None
    if place is None and not name_columns:
        usual, table = 0, places_below_title(shapes, is_text=is_text)
        place = header_in(shapes, table)
    if place is None:
        return
    number, first = shapes[0]
    candidate, cells = shapes[place]
    width = usual or max(len(shapes[at][1]) for at in table)
    below = sum(at > place for at in table)
    names = [" ".join(cell.split())[:30] for cell in cells if cell.strip()]
    listed = f"({', '.join(names[:NAMES_SHOWN])}{', …' if len(names) > NAMES_SHOWN else ''})"
    is_whole = len(names) == width
    lettered = "" if is_whole else ", and have the other columns called by letters"
    options = f"--header-row {candidate}{'' if is_whole else ' --name-columns'}"
    raise InputRefused(
        f"The first row has {len(first)} of {width} cells, and is no header of the rows below: row {candidate} has "
        f"{width if is_whole else f'{len(names)} of {width}'} names {listed} and {below} such rows below it.",
        remedy=f"Choose row {candidate} as the header{lettered} ({options}), or take out what is above.",
        row=number,
    )


def usual_width(shapes: Sequence[Shape]) -> int:
    """How many cells at least half of all rows have, if that is more than the first row has; else 0."""
    first = len(shapes[0][1])
    wider = Counter(len(cells) for _, cells in shapes[1:] if len(cells) > first)
    usual, times = wider.most_common(1)[0] if wider else (0, 0)
    return usual if times >= 2 and times >= len(shapes) / 2 else 0


def places_below_title(shapes: Sequence[Shape], *, is_text: bool) -> list[int]:
    """Below a first row of one cell, the rows that have more, if they stand together or are most of a text."""
    wider = [place for place, (_, cells) in enumerate(shapes) if len(cells) > len(shapes[0][1])]
    if len(wider) < LEAST_ROWS or filled_in(shapes[0]) > 1:
        return []
    span = len(shapes) if is_text else wider[-1] - wider[0] + 1
    return wider if 2 * len(wider) >= span else []


def header_in(shapes: Sequence[Shape], table: Sequence[int]) -> int | None:
    """The place of the row that names the columns: the first whole one, if it holds no numbers; else the fullest of
    those above the first that does, and of several the last that stands right above numbers."""
    filled = {place: filled_in(shapes[place]) for place in table[:-1]}
    widest = max((len(shapes[place][1]) for place in table), default=0)
    whole = next((place for place, count in filled.items() if count == widest), None)
    if whole is not None and not is_data(shapes[whole]):
        return whole
    first_data = next((place for place in table if is_data(shapes[place])), len(shapes))
    most = max((count for place, count in filled.items() if place < first_data), default=0)
    fullest = [place for place, count in filled.items() if place < first_data and count == most]
    if most < 2 or most <= filled_in(shapes[0]):
        return whole
    is_header = first_data < len(shapes) and fullest[-1] - fullest[0] < LONGEST_HEADER
    return fullest[-1] if is_header else fullest[0]


def filled_in(shape: Shape) -> int:
    return sum(bool(cell.strip()) for cell in shape[1])


def is_data(shape: Shape) -> bool:
    return any(map(is_number, shape[1]))
