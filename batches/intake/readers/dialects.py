"""How the cells of a text file are told apart: Excel's `sep=` line, and the delimiter."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from operator import itemgetter

SEP_LINE = re.compile(r"\A\ufeff?\"?sep=(.)\"?[,;\t]*(\r\n|\n|\r|\Z)", re.I)
DELIMITERS = (",", ";", "\t", "|")
UNUSUAL = (":", "^", "~", "#")
"""Delimiters that are asked about only: such characters stand in many texts."""
ROWS_LOOKED_AT = 50


def separator_line(sample: str) -> str:
    """The delimiter that a first line `sep=;` names; empty where there is none."""
    match = SEP_LINE.match(sample)
    return match[1] if match else ""


def detect_delimiter(sample: str) -> str:
    """The delimiter that cuts the sample's rows into as many fields as the header, and most of them; where the first
    row is no header of the others, into the same number."""
    pairs_by = {delimiter: pairs for delimiter in DELIMITERS if (pairs := widths_of(sample, delimiter))}
    trimmed = {delimiter: [width for _, width in pairs] for delimiter, pairs in pairs_by.items()}
    whole = {delimiter: [width for width, _ in pairs] for delimiter, pairs in pairs_by.items()}
    for score, widths_by in ((as_the_header, whole), (as_the_header, trimmed), (as_one_another, whole)):
        best, points = max(((d, score(found)) for d, found in widths_by.items()), key=itemgetter(1), default=(",", 0))
        if points > 1.0:
            return best
    return ","


def as_the_header(widths: list[int]) -> float:
    return widths[0] * widths.count(widths[0]) / len(widths)


def as_one_another(widths: list[int]) -> float:
    return max((width * times / len(widths) for width, times in Counter(widths).items() if times > 1), default=0.0)


def widths_of(sample: str, delimiter: str) -> list[tuple[int, int]]:
    """The number of cells of each of the first rows that hold anything, and without the empty ones at its end; not of
    the last row, which the sample may cut."""
    widths: list[tuple[int, int]] = []
    try:
        for cells in csv.reader(io.StringIO(sample.replace("\x00", ""), newline=""), delimiter=delimiter):
            if any(map(str.strip, cells)):
                widths.append((len(cells), last_filled(cells)))
            if len(widths) > ROWS_LOOKED_AT:
                break
    except csv.Error:
        pass
    return widths[:-1] if len(widths) > 2 else widths


def last_filled(cells: list[str]) -> int:
    return next((place for place in range(len(cells), 0, -1) if cells[place - 1].strip()), 0)


def note_on_one_column(sample: str, name: str) -> str:
    """A table of one column whose rows another character cuts all alike; empty where there is none."""
    for delimiter in UNUSUAL:
        if delimiter in name:
            widths = widths_of(sample, delimiter)
            if len(widths) > 1 and len(set(widths)) == 1:
                return f"There is one column, {name!r}. Is {delimiter!r} its delimiter? Name it, if so."
    return ""
