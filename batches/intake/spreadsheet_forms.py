"""What a spreadsheet does to a cell that nobody touched: the same date, number or truth value in another form.

A CSV file that was opened and saved has 2026-12-05 as 12/5/2026, 04567 as 4567, true as TRUE and MAR1 as 1-Mar. A cell
is rewritten if it means what was stored, and its form is one that a spreadsheet gives it; a person's correction means
something else, or has the same form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation

LONGEST = 400
DIGITS_KEPT = 15
DIGITS_OF_POWERS = (2, 5)
"""Decimals that spreadsheets show of a number in powers of ten: 1.23E+11, or 1.23457E+11."""
LARGEST_POWER = 308
TRUE = frozenset(("true", "wahr", "vrai", "verdadero", "vero", "verdadeiro", "prawda", "waar", "sant", "sand"))
FALSE = frozenset(("false", "falsch", "faux", "falso", "fałsz", "onwaar", "falskt", "falsk"))
NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTHS = {name: number for number, name in enumerate(NAMES, 1)}
MONTHS |= {
    "mär": 3,
    "mrz": 3,
    "mai": 5,
    "okt": 10,
    "dez": 12,
    "fév": 2,
    "avr": 4,
    "juin": 6,
    "juil": 7,
    "août": 8,
    "déc": 12,
}
CLOCK = r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]0*)?)?)?(?: ?(?:Z|UTC|[+-]00:?00))?\Z"
YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + CLOCK)
YEAR_LAST = re.compile(r"(\d{1,2})[-/. ]{1,2}(\d{1,2})[-/. ]{1,2}(\d{4}|\d{2})" + CLOCK)
MONTH_NAMED = re.compile(r"(\d{1,2})[-/. ]*([^\W\d_]{3,4})\.?(?:[-/. ]+(\d{4}|\d{2}))?\Z")
MONTH_NAMED_FIRST = re.compile(r"([^\W\d_]{3,4})[-/. ]*(\d{1,2})(?:[-/., ]+(\d{4}|\d{2}))?\Z")
TWO_NUMBERS = re.compile(r"(\d{1,2})[-/.](\d{1,2})\Z")
SCIENTIFIC = re.compile(r"[-+]?\d(?:[.,](\d+))?E[-+]?\d+\Z", re.I)
ENGLISH = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?\Z")
GERMAN = re.compile(r"[-+]?(?:\d{1,3}(?:[.\u00a0\u202f ']\d{3})+|\d+)(?:,\d*)?\Z")
Day = tuple[int | None, int, int, tuple[int, int] | None]


def is_rewritten(cell: str, stored: str) -> bool:
    """Whether a cell says what is stored in a form that spreadsheets give it."""
    cell, stored = cell.strip(), stored.strip()
    if cell == stored or not cell or not stored or max(len(cell), len(stored)) > LONGEST:
        return False
    if same_truth(cell, stored):
        return True
    if shape(cell) == shape(stored):
        return cell.isdecimal() and Decimal(cell) == as_kept(Decimal(stored))
    return same_number(cell, stored) or same_day(cell, stored)


def meanings(text: str) -> set[tuple[object, ...]]:
    """The days and numbers that a text may mean. A text and what a spreadsheet made of it have one in common, unless
    digits were cut: `roundings`."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        return set()
    numbers = [*numbers_of(text).values(), *scientific(text)]
    return {("day", *day[1:3]) for day in days_of(text)} | {("number", as_kept(number)) for number in numbers}


def roundings(text: str) -> set[tuple[object, ...]]:
    """The number of a text as notation in powers of ten may round it; of one in that notation, as it stands there."""
    text = text.strip()
    if SCIENTIFIC.match(text):
        return {("rounded", number) for number in scientific(text)}
    numbers = numbers_of(text).values() if len(text) <= LONGEST else ()
    return {("rounded", Decimal(f"{number:.{digits}E}")) for number in numbers for digits in DIGITS_OF_POWERS}


def scientific(text: str) -> list[Decimal]:
    """The number that a text in powers of ten means, as far as spreadsheets have such; else nothing."""
    try:
        number = Decimal(text.replace(",", ".")) if SCIENTIFIC.match(text) else None
    except InvalidOperation:
        return []
    return [] if number is None or abs(number.adjusted()) > LARGEST_POWER else [number]


def shape(text: str) -> str:
    return re.sub(r"\d", "9", text)


def same_truth(cell: str, stored: str) -> bool:
    words = {cell.lower(), stored.lower()}
    return stored.lower() in ("true", "false") and (words <= TRUE or words <= FALSE)


def same_number(cell: str, stored: str) -> bool:
    """In one convention for both: a decimal comma that became a point was changed by a person."""
    if (match := SCIENTIFIC.match(cell)) and not SCIENTIFIC.match(stored):
        return any(is_rounded(cell, number, len(match[1] or "")) for number in numbers_of(stored).values())
    if SCIENTIFIC.match(cell):
        return bool(scientific(cell)) and scientific(cell) == scientific(stored)
    ours, theirs = numbers_of(cell), numbers_of(stored)
    return any(as_kept(theirs[c]) == ours[c] or theirs[c] == ours[c] for c in ours.keys() & theirs.keys())


def as_kept(number: Decimal) -> Decimal:
    """What spreadsheets keep of a number: 15 digits, and zeros in place of the others."""
    surplus = number.adjusted() + 1 - DIGITS_KEPT
    return number // Decimal(10) ** surplus * Decimal(10) ** surplus if surplus > 0 else number


def numbers_of(text: str) -> dict[str, Decimal]:
    """What the text means as a number, by convention."""
    numbers = {}
    for convention, pattern, grouping in (("english", ENGLISH, ","), ("german", GERMAN, ".\u00a0\u202f '")):
        if pattern.match(text):
            plain = re.sub(f"[{grouping}]", "", text).replace(",", ".")
            numbers[convention] = Decimal(plain)
    return numbers


def is_rounded(cell: str, number: Decimal, digits: int) -> bool:
    """Whether a number in scientific notation is another one, as far as its digits go."""
    try:
        shown = Decimal(cell.replace(",", "."))
        return abs(shown - number) <= Decimal("0.5").scaleb(shown.adjusted() - digits)
    except InvalidOperation:
        return False


def same_day(cell: str, stored: str) -> bool:
    days = list(days_of(stored))
    return any(is_same(day, other) for day in days_of(cell) for other in days)


def is_same(day: Day, other: Day) -> bool:
    years = day[0] is None or other[0] is None or day[0] == other[0]
    return years and day[1:3] == other[1:3] and (day[3] or (0, 0)) == (other[3] or (0, 0))


def days_of(text: str) -> Iterator[Day]:
    """Every day that the text may mean: (year or None, month, day, (hour, minute) or None)."""
    if match := YEAR_FIRST.match(text):
        yield from valid(match[1], match[2], match[3], match[4], match[5])
    elif match := YEAR_LAST.match(text):
        yield from valid(match[3], match[1], match[2], match[4], match[5])
        yield from valid(match[3], match[2], match[1], match[4], match[5])
    elif match := TWO_NUMBERS.match(text):
        yield from valid(None, match[1], match[2])
        yield from valid(None, match[2], match[1])
    elif match := MONTH_NAMED.match(text):
        yield from valid(match[3], MONTHS.get(match[2].lower()), match[1])
    elif match := MONTH_NAMED_FIRST.match(text):
        yield from valid(match[3], MONTHS.get(match[1].lower()), match[2])


def valid(
    year: str | None, month: str | int | None, day: str, hour: str | None = None, minute: str | None = None
) -> Iterator[Day]:
    """The day, if there is one in the calendar."""
    full = None if year is None else int(year) + (0 if len(year) == 4 else 2000 if int(year) < 30 else 1900)
    try:
        date(full or 2000, int(month or 0), int(day))
    except ValueError:
        return
    yield full, int(month or 0), int(day), (int(hour), int(minute or 0)) if hour else None
