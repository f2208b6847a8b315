"""Pages of a query by keyset: a page costs the same wherever it stands, and no database cursor stays open between two,
which would pin SQLite's log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet


def pages(rows: QuerySet[Any], *columns: str, after: Any, size: int) -> Iterator[list[Any]]:
    """Tuples of `columns`, in the order of the first one, which is unique; only rows in which it is above `after`."""
    key = columns[0]
    ordered = rows.order_by(key).values_list(*columns)
    while page := list(ordered.filter(**{f"{key}__gt": after})[:size]):
        yield page
        after = page[-1][0]
