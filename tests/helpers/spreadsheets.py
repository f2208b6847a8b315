"""What Excel writes into a CSV file for cells that nobody touched."""

from __future__ import annotations

import re
from datetime import date

WIDEST = 1e11
"""From here on a number is shown in powers of ten."""


def saved_by_excel(cell: str) -> str:
    """The cell as it stands in the file after it was opened and saved in the United States."""
    if match := re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", cell):
        day = date(*map(int, match.groups()))
        return f"{day.month}/{day.day}/{day.year}"
    if cell in ("true", "false"):
        return cell.upper()
    if re.fullmatch(r"\d{1,3}(,\d{3})*\.\d+|\d+", cell, re.ASCII):
        return as_general(float(cell.replace(",", "")))
    return cell


def as_general(number: float) -> str:
    """A number in the format General, in a column that is wide enough for eleven digits."""
    if number < WIDEST:
        return f"{number:.15g}"
    mantissa, exponent = f"{number:.5E}".split("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"
