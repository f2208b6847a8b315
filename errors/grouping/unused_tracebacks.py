"""Tracebacks that no error points at any more, as their batches are gone: looked for by an index, and removed.

A chunk that records an error with one of them at this moment has locked it, or waits: on PostgreSQL it locks what is
there before it inserts what is not. SQLite has one writer.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from batches.paged_deletes import delete
from errors.models import ErrorRecord, Traceback

ROWS_PER_TRANSACTION = 200


def forget() -> int:
    """Remove all of them, a few a transaction; how many."""
    removed, after = 0, ""
    while page := first_unused(after):
        removed += remove(page)
        after = page[-1]
    return removed


def first_unused(after: str) -> list[str]:
    """The first digests behind that one."""
    rows = unused().filter(pk__gt=after).order_by("pk")
    return [str(digest) for digest in rows.values_list("pk", flat=True)[:ROWS_PER_TRANSACTION]]


def unused() -> QuerySet[Traceback]:
    return Traceback.objects.filter(~Exists(ErrorRecord.objects.filter(traceback=OuterRef("pk"))))


@transaction.atomic
def remove(page: list[str]) -> int:
    """Those of the page that nobody holds; whether an error points at them is asked once they are held."""
    held = Traceback.objects.select_for_update(skip_locked=True).filter(pk__in=page).order_by("pk")
    return delete(unused().filter(pk__in=list(held.values_list("pk", flat=True))))
