"""What is known of how failures of a group pass when they are tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Tried = tuple[int, int]
"""How many items were tried again, and how many of them passed."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Nearest first: bulk retries of this batch, its automatic attempts, earlier batches, the category anywhere."""

    rounds: Sequence[Tried] = ()
    """The n-th entry: items retried in bulk for the n-th time after failing in this way."""
    waiting: Sequence[int] = ()
    """Items failed now, by how many bulk retries ended in this way; empty: none was retried."""
    attempts: Sequence[Tried] = ()
    """The n-th entry: items tried again by themselves after failing n times in this way."""
    earlier: Sequence[Tried] = ()
    """One entry for each bulk retry of this error in other batches of the processor."""
    category: Sequence[Tried] = ()
    """One entry for each bulk retry of errors of the category, in all batches."""

    def rest_of(self, items: int) -> list[int]:
        """`waiting`, where only `items` of them are meant."""
        everything = sum(self.waiting)
        if not everything:
            return [items]
        rest = [round(items * n / everything) for n in self.waiting]
        rest[0] += items - sum(rest)
        return rest
