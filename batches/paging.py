"""Values that go into statements a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def pages_of(values: Iterable[T], length: int) -> Iterator[list[T]]:
    """The values in lists of that length, the last of which may be shorter; none of it is read ahead."""
    walk = iter(values)
    while page := list(islice(walk, length)):
        yield page
