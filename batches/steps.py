"""Long work in short transactions: how many rows each one takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep

from django.db import connection, transaction

SECONDS_PER_STEP = {"postgresql": 0.5, "sqlite": 0.1}
"""SQLite has one writer, for whom all others wait; on PostgreSQL nobody waits, and a step's own costs are spread."""
SHORTEST_REST = 0.05
"""Seconds: who waits for SQLite's writer looks as often at least while it has not waited for longer than a step."""


class Steps:
    """Transactions of `size` rows each, between a fewest and a most; the time that the last one took decides."""

    def __init__(self, fewest: int, most: int) -> None:
        self.fewest, self.most, self.size = fewest, most, fewest
        self.took = self.unrested = 0.0

    @contextmanager
    def step(self) -> Iterator[int]:
        """A transaction, and how many rows it is to take."""
        began = monotonic()
        with transaction.atomic():
            yield self.size
        self.took = max(monotonic() - began, 0.001)
        self.unrested += self.took
        share = min(2.0, SECONDS_PER_STEP[connection.vendor] / self.took)
        self.size = max(self.fewest, min(self.most, int(self.size * share)))

    def rest_in_time(self) -> None:
        """As `rest`, once the steps since the last one have taken as long as one may: for many that take a moment."""
        if self.unrested >= SECONDS_PER_STEP[connection.vendor] / 2:
            self.rest()
            self.unrested = 0.0

    def rest(self) -> None:
        """Let others write: half as long as the last step took, or until each has looked whether they can. Within a
        transaction of the caller's nobody can."""
        if connection.vendor == "sqlite" and not connection.in_atomic_block:
            sleep(max(SHORTEST_REST, self.took / 2))
