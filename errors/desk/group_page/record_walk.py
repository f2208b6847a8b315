"""A group's records gone through by key in either direction, looking at so many of them for one page at most."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery

from batches.models import Batch
from errors.models import ErrorGroup, ErrorRecord

WINDOWS = (500, 1500, 4000)
"""So many of a group's records are looked at in turn for one page: each is an index look-up or two."""


@dataclass(frozen=True, slots=True)
class RecordWalk:
    """From which record on a group's records are gone through: to later ones (`is_forward`), or to earlier ones."""

    records: QuerySet[ErrorRecord]
    is_forward: bool
    start: int

    def find(self, rows: QuerySet[ErrorRecord], most: int) -> list[ErrorRecord]:
        """The first of the rows, of which an index finds the few there are."""
        return list(self.behind(rows, self.start)[:most])

    def search(self, rows: QuerySet[ErrorRecord], most: int) -> tuple[list[ErrorRecord], int | None]:
        """The first of the rows, and where to go on if there are fewer after all that is looked at for one page."""
        records: list[ErrorRecord] = []
        start: int | None = self.start
        for count in WINDOWS:
            edge = self.edge(start or 0, count)
            records += self.until(self.behind(rows, start or 0), edge)[: most - len(records)]
            start = edge
            if len(records) >= most or edge is None:
                return records, None
        return records, start

    def behind(self, rows: QuerySet[ErrorRecord], start: int) -> QuerySet[ErrorRecord]:
        if self.is_forward:
            return rows.filter(pk__gt=start).order_by("pk")
        return (rows.filter(pk__lt=start) if start else rows).order_by("-pk")

    def edge(self, start: int, count: int) -> int | None:
        """The last of so many records; None if there are fewer."""
        return self.behind(self.records, start).values_list("pk", flat=True)[count - 1 : count].first()

    def until(self, rows: QuerySet[ErrorRecord], edge: int | None) -> QuerySet[ErrorRecord]:
        if edge is None:
            return rows
        return rows.filter(pk__lte=edge) if self.is_forward else rows.filter(pk__gte=edge)


def records_read() -> int:
    """How many records are read for one page at most."""
    return sum(WINDOWS)


def last_of_each_item(batch: Batch, group: ErrorGroup) -> QuerySet[ErrorRecord]:
    """Every item once, by its last failure of this kind: looked up row by row in an index of attempts.

    Asked for as "none is later", PostgreSQL compares the whole group with itself before it answers a page of it.
    """
    same = {"item": OuterRef("item")} if batch.processor else {"item__isnull": True, "item_key": OuterRef("item_key")}
    last = ErrorRecord.objects.filter(batch=batch, group=group, **same).order_by("-attempt").values("pk")[:1]
    return ErrorRecord.objects.filter(batch=batch, group=group, pk=Subquery(last))
