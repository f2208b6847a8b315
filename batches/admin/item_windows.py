"""Pages of items of a status that has no index: walked by position, a window at a time, so that no plan can read the
items of all batches. Where those of all batches are asked for, only batches that have any are walked."""

from __future__ import annotations

from typing import Any

from django.db import connection

from batches.lanes import batch_rows
from batches.lanes.lane_counts import batches_with, first_pending
from batches.models import Item

WINDOW = 20_000
"""Positions."""
OF_WINDOW = f"""
FROM (SELECT position, status FROM {Item._meta.db_table} WHERE batch_id = %s AND position >= %s AND position < %s
  ORDER BY position LIMIT %s) here WHERE status = %s
"""  # noqa: S608 - only the table's name is put in
"""The limit cuts nothing off: with it, the window is read before it is known how few of it have the status."""


def positions_of_page(batch_id: str, status: str, skip: int, size: int) -> list[int]:
    """Where up to `size` items of the status stand, behind `skip` of them."""
    found: list[int] = []
    first = first_pending(batch_id) if status == Item.Status.PENDING else 0
    last, _ = batch_rows.ends_of(batch_id)
    for start in range(first, last + 1, WINDOW):
        window = [batch_id, start, start + WINDOW, WINDOW, status]
        if skip >= WINDOW and (passed := asked(f"SELECT COUNT(*) {OF_WINDOW}", window)[0]) <= skip:
            skip -= passed
            continue
        wanted = skip + size - len(found)
        here = asked(f"SELECT position {OF_WINDOW} ORDER BY position LIMIT %s", [*window, wanted])
        found += here[skip:]
        skip = max(0, skip - len(here))
        if len(found) >= size:
            break
    return found


def ids_of_page(status: str, skip: int, size: int) -> list[int]:
    """Up to `size` items of the outcome, behind `skip` of them, in the order of their batches and positions."""
    found: list[int] = []
    for batch_id, n in batches_with(status):
        if n > skip:
            found += ids_in(batch_id, status, skip, size - len(found))
        if len(found) >= size:
            break
        skip = max(0, skip - n)
    return found


def ids_in(batch_id: str, status: str, skip: int, size: int) -> list[int]:
    items = Item.objects.filter(Item.of_statuses(status), batch=batch_id).order_by("position")
    if status not in Item.MARKS:
        items = items.filter(position__in=positions_of_page(batch_id, status, skip, size))
        skip = 0
    return list(items.values_list("pk", flat=True)[skip : skip + size])


def asked(sql: str, params: list[Any]) -> list[int]:
    """The one column of its rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [value for (value,) in cursor.fetchall()]
