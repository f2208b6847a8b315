"""CSV as RFC 4180 has it, in UTF-8 with a byte order mark, which Excel needs; no cell can run as a formula."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, ClassVar, Literal

from batches.intake import cells
from errors.exports.exporters.base import Block, Envelope, Exporter, guarded_cell, raw_cell
from errors.exports.tables import Table
from errors.exports.tables.base import Row

CELL_END = "\x00"
"""Stands between cells that are searched together; no database stores it in a text."""
FORMULA = f"[{re.escape(cells.PASSED_OVER)}]*[{re.escape(''.join(sorted(cells.TRIGGERS)))}]"
RISKY = re.compile(f"{CELL_END}(?:{FORMULA}|[^{CELL_END}]{{{cells.LONGEST // 2 + 1}}})")
"""Matches only where a cell begins, so that a search takes the time of one walk over the text."""
RISKY_LINE = re.compile(f"[,\n]{FORMULA}")
"""The same for lines of CSV whose first cell is known to be harmless. A comma within a cell counts as the end of one:
what is suspected wrongly is looked at cell by cell."""


class Csv(Exporter):
    name = "csv"
    content_type = "text/csv; charset=utf-8"
    guards = True
    delimiter: ClassVar[str] = ","
    quoting: ClassVar[Literal[0, 1]] = csv.QUOTE_MINIMAL

    def __init__(self, table: Table, envelope: Envelope, *, raw: bool = False) -> None:
        super().__init__(table, envelope, raw=raw)
        self.cell = raw_cell if raw else guarded_cell
        indexes = [list(table.columns).index(name) for name in table.untrusted]
        self.untrusted = indexes if table.untrusted != table.columns else []
        """Indexes of the cells that may need a guard; empty: all of them may."""
        self.untrusted_cells = itemgetter(*indexes)

    def head(self) -> bytes:
        return codecs.BOM_UTF8 + self.as_csv([[self.cell(name) for name in self.table.columns]])

    def block(self, rows: Sequence[Row], before: int) -> bytes:
        if self.untrusted and not self.raw:
            return self.as_csv(rows if self.is_harmless(rows) else map(self.guarded, rows))
        return self.as_csv([self.cell(value) for value in row] for row in rows)

    def blocks(self, after: Any = None, before: int = 0) -> Iterator[Block]:
        """As the database writes them, where it can, and where nothing in them needs a guard."""
        pages = None if self.raw else self.table.copied_pages(after)
        if pages is None:
            yield from super().blocks(after, before)
            return
        for page in pages:
            text = b"".join(page.lines)
            too_long = max(map(len, page.lines)) > cells.LONGEST // 2  # an emoji counts twice
            suspect = too_long or RISKY_LINE.search(text.decode())
            yield Block(page.place, len(page.lines), self.block(page.rows(), before) if suspect else text)
            before += len(page.lines)

    def is_harmless(self, rows: Sequence[Row]) -> bool:
        """One search through all untrusted cells together: nearly always none of them needs a guard."""
        try:
            texts = "".join([f"{CELL_END}{CELL_END.join(self.untrusted_cells(row))}" for row in rows])
        except TypeError:  # there is a None among them
            return False
        return texts.count(CELL_END) == len(self.untrusted) * len(rows) and not RISKY.search(texts)

    def guarded(self, row: Row) -> list[Any]:
        values = list(row)
        for index in self.untrusted:
            values[index] = guarded_cell(values[index])
        return values

    def as_csv(self, rows: Iterable[Iterable[Any]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, quoting=self.quoting).writerows(rows)
        return text.getvalue().encode("utf-8", "replace")
