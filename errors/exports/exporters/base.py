"""What all formats share. A format turns pages of rows into blocks of bytes, and keeps nothing between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from batches.intake import cells
from errors.exports.tables import Table
from errors.exports.tables.base import MISSING, Row

Envelope = Callable[[], dict[str, Any]]
"""What a document says about its batch, worked out only if the format has room for it."""


Block = tuple[Any, int, bytes]
"""Where the next page begins, how many rows there are in this one, and what is written of them."""


class Exporter(ABC):
    """`head`, a `block` for every page, `tail`; `raw` leaves cells as they are, for machines."""

    name: ClassVar[str]
    content_type: ClassVar[str]
    guards: ClassVar[bool] = False
    """Whether it puts a guard before formulas, unless raw."""
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
        """A block for every page behind the one that ended there."""
        for place, rows in self.table.pages(after):
            yield place, len(rows), self.block(rows, before)
            before += len(rows)

    def tail(self, rows: int) -> Iterator[bytes]:
        """What follows the last of so many rows."""
        yield from ()

    def close(self) -> None:  # noqa: B027 - most formats have nothing to clear away
        """Leave nothing behind, wherever it ended."""


def cell(value: Any) -> Any:
    """A value as a table has it: text guarded and not longer than a spreadsheet takes, a number as it is."""
    if value is None or value is MISSING:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    text = cells.as_text(value).replace("\x00", "")
    if len(text) > cells.LONGEST:
        text = text[: cells.LONGEST] + cells.CUT
    return cells.guarded(text)


def raw_cell(value: Any) -> Any:
    """A value as text, whole and unguarded."""
    if value is None or value is MISSING:
        return None
    return value if isinstance(value, (str, int, float)) and not isinstance(value, bool) else cells.as_text(value)
