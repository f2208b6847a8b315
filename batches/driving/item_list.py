"""The items of a caller, by index, however many an iterable yields."""

from __future__ import annotations

import pickle
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from batches import arguments
from batches.exceptions import InvalidInput
from batches.paging import pages_of

IN_MEMORY = 10_000
"""Items of an iterable that are kept as they are; further ones are pickled into a temporary file."""
PAGE = 1_000


def id_of(item: Any) -> str:
    """The id of an item that a caller passes; `InvalidInput` if it has none."""
    if isinstance(item, Mapping):
        named = [item[name] for name in ("id", "item_id", "key") if item.get(name) is not None]
        if not named:
            raise InvalidInput('An item that is a mapping must have an "id", "item_id" or "key".')
        return arguments.checked_item(named[0])
    return arguments.checked_item(item)


class ItemList:
    """Items with ids that are unique; `InvalidInput` names one that occurs twice. Close it when it is done with.

    A sequence is the caller's own and stays where it is, a list apart, which is copied: it may change meanwhile.
    """

    def __init__(self, all_items: Iterable[Any]) -> None:
        self._spool: Spool | None = None
        if isinstance(all_items, Sequence):
            self._items: Sequence[Any] = list(all_items) if isinstance(all_items, list) else all_items
        else:
            further = iter(all_items)
            self._items = list(islice(further, IN_MEMORY))
            if len(self._items) == IN_MEMORY:
                self._spool = Spool(self._items, further)
        if self._spool is None:
            refuse_doubles(map(id_of, self._items))

    def __len__(self) -> int:
        return len(self._items) + (0 if self._spool is None else self._spool.count)

    def __getitem__(self, index: int) -> Any:
        if index < len(self._items) or self._spool is None:
            return self._items[index]
        return self._spool.item(index)

    def pages(self) -> Iterator[tuple[int, list[Any]]]:
        """The index of the first, and the items, a bounded number at a time."""
        for first in range(0, len(self), PAGE):
            yield first, [self[index] for index in range(first, min(first + PAGE, len(self)))]

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()


class Spool:
    """Items in a temporary file that goes with this process; those that cannot be pickled are kept in memory.

    The ids of the items before them are written down, too, so that none occurs twice.
    """

    def __init__(self, before: Sequence[Any], items: Iterable[Any]) -> None:
        self.count = 0
        self._kept: dict[int, Any] = {}
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE item (place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, pickled BLOB)")
        self._write((place, id_of(item), None) for place, item in enumerate(before))
        self._write(self._row(place, item) for place, item in enumerate(items, len(before)))

    def item(self, place: int) -> Any:
        """The item at an index."""
        if place in self._kept:
            return self._kept[place]
        (pickled,) = self._file.execute("SELECT pickled FROM item WHERE place = ?", (place,)).fetchone()
        return pickle.loads(pickled)  # noqa: S301 - written by this process, into a file that nobody else can open

    def close(self) -> None:
        self._file.close()

    def _row(self, place: int, item: Any) -> tuple[int, str, bytes | None]:
        self.count += 1
        try:
            return place, id_of(item), pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
            self._kept[place] = item
            return place, id_of(item), None

    def _write(self, rows: Iterator[tuple[int, str, bytes | None]]) -> None:
        for page in pages_of(rows, PAGE):
            self._file.execute("BEGIN")
            try:
                self._file.executemany("INSERT INTO item VALUES (?, ?, ?)", page)
            except sqlite3.IntegrityError:
                earlier = (row for (row,) in self._file.execute("SELECT id FROM item WHERE place < ?", (page[0][0],)))
                raise self._double(earlier, page) from None
            self._file.execute("COMMIT")

    def _double(self, earlier: Iterable[str], page: list[tuple[int, str, bytes | None]]) -> InvalidInput:
        ids = {id_ for _, id_, _ in page}
        times = Counter([id_ for _, id_, _ in page]) + Counter(id_ for id_ in earlier if id_ in ids)
        return double(next(id_ for id_, count in times.items() if count > 1))


def refuse_doubles(ids: Iterable[str]) -> None:
    """`InvalidInput` names the first id that occurs twice."""
    seen: set[str] = set()
    for id_ in ids:
        if id_ in seen:
            raise double(id_)
        seen.add(id_)


def double(id_: str) -> InvalidInput:
    return InvalidInput(f"Item id {id_!r} occurs twice; ids must be unique within a batch.")
