"""Rows that go a few a transaction: nobody waits for longer than a page of them takes, however many there are."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

ROWS_PER_STEP = 500


def delete_in_steps(rows: QuerySet[Any]) -> int:
    """All of them, to which nothing refers, a few a transaction; how many."""
    removed = 0
    while step := delete_some(rows, ROWS_PER_STEP):
        removed += step
    return removed


def delete_some(rows: QuerySet[Any], size: int) -> int:
    """The first of them; what has changed meanwhile, so that it is none of them any more, stays."""
    pks = list(rows.order_by("pk").values_list("pk", flat=True)[:size])
    return delete(rows.order_by().filter(pk__in=pks)) if pks else 0


def delete(rows: QuerySet[Any]) -> int:
    """By one statement; nothing refers to them any more."""
    return int(rows._raw_delete(rows.db) or 0)  # type: ignore[attr-defined]
