"""What all formats share. A format turns pages of rows into blocks of bytes, and keeps nothing between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from batches.intake import cells
from errors.exports.tables import Table
from errors.exports.tables.base import MISSING, Row

Envelope = Callable[[], dict[str, Any]]
"""What a document says beside its rows, worked out only if the format has room for it."""


class Block(NamedTuple):
    """A page as it is written, and the place behind it, where the next page begins."""

    place: Any
    row_count: int
    content: bytes


class Exporter(ABC):
    """`head`, a `block` for every page, `tail`; `raw` leaves cells as they are, for machines."""

    name: ClassVar[str]
    suffix: ClassVar[str] = ""
    """The extension of its files, where that is not its name."""
    content_type: ClassVar[str]
    guards: ClassVar[bool] = False
    """Whether formulas get a guard in front, unless raw."""
    streams: ClassVar[bool] = True
    """Whether a row can be handed out before the last one is known."""
    resumable: ClassVar[bool] = True
    """Whether a block depends on nothing but its rows, so that another process can go on after any of them."""

    def __init__(self, table: Table, envelope: Envelope, *, raw: bool = False) -> None:
        self.table, self.envelope, self.raw = table, envelope, raw

    def head(self) -> bytes:
        return b""

    @abstractmethod
    def block(self, rows: Sequence[Row], before: int) -> bytes:
        """The rows of a page, which `before` others precede."""

    def blocks(self, after: Any = None, before: int = 0) -> Iterator[Block]:
        """A block for every page behind the place `after`, which `before` rows precede."""
        for page in self.table.pages(after):
            yield Block(page.place, len(page.rows), self.block(page.rows, before))
            before += len(page.rows)

    def tail(self, row_count: int) -> Iterator[bytes]:
        """What follows the last of `row_count` rows."""
        yield from ()

    def close(self) -> None:  # noqa: B027 - most formats have nothing to clear away
        """Release what the format holds, wherever the export ended."""


def guarded_cell(value: Any) -> Any:
    """A value as a table has it: text guarded and not longer than a spreadsheet takes, a number as it is."""
    if value is None or value is MISSING:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    text = cells.as_text(value).replace("\x00", "")
    return cells.guarded(cells.cut(text))


def raw_cell(value: Any) -> Any:
    """A value as text, whole and unguarded."""
    if value is None or value is MISSING:
        return None
    return value if isinstance(value, (str, int, float)) and not isinstance(value, bool) else cells.as_text(value)
