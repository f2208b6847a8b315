"""What is numbered within a batch (its retries, fixes, rehearsals, …) counts from 1, without gaps to fill."""

from __future__ import annotations

from typing import Any

from django.db.models import Max

GREATEST = 2**31 - 1
"""What the column of a number holds."""


def next_number(rows: Any) -> int:
    """The number after the last of these rows; the caller holds the batch's row, or meets the constraint."""
    return int(rows.aggregate(last=Max("number"))["last"] or 0) + 1


def numbered(rows: Any, number: int) -> Any:
    """The row of that number among these, or None; a number that no column holds is no row's."""
    return rows.filter(number=number).first() if 0 < number <= GREATEST else None
