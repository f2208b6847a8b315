"""CSV as RFC 4180 has it, in UTF-8 with a byte order mark, which Excel needs; no cell can run as a formula."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from batches.intake import cells
from errors.exports.exporters.base import Block, Envelope, Exporter, cell, raw_cell
from errors.exports.tables import Table
from errors.exports.tables.base import Row

END = "\x00"
"""Stands between cells that are looked at together; no database stores it in a text."""
FORMULA = f"[{re.escape(cells.PASSED_OVER)}]*[{re.escape(''.join(sorted(cells.TRIGGERS)))}]"
RISKY = re.compile(f"{END}(?:{FORMULA}|[^{END}]{{{cells.LONGEST + 1}}})")
"""Looks at where cells begin only: its time is that of one walk over the text."""
RISKY_LINE = re.compile(f"[,\n]{FORMULA}")
"""The same for lines of CSV whose first cell is known to be harmless. What stands behind a comma within a cell is
suspected, too; then there is a closer look."""


class Csv(Exporter):
    name = "csv"
    content_type = "text/csv; charset=utf-8"
    guards = True

    def __init__(self, table: Table, envelope: Envelope, *, raw: bool = False) -> None:
        super().__init__(table, envelope, raw=raw)
        self.cell = raw_cell if raw else cell
        places = [list(table.columns).index(name) for name in table.free]
        self.at_risk = places if table.free != table.columns else []
        self.texts = itemgetter(*places)

    def head(self) -> bytes:
        return codecs.BOM_UTF8 + written([[self.cell(name) for name in self.table.columns]])

    def block(self, rows: Sequence[Row], before: int) -> bytes:
        if self.at_risk and not self.raw:
            return written(rows if self.is_harmless(rows) else map(self.guarded, rows))
        return written([self.cell(value) for value in row] for row in rows)

    def blocks(self, after: Any = None, before: int = 0) -> Iterator[Block]:
        """As the database writes them, where it can, and where nothing in them needs a guard."""
        pages = None if self.raw else self.table.copied(after)
        if pages is None:
            yield from super().blocks(after, before)
            return
        for place, lines, rows in pages:
            text = b"".join(lines)
            too_long = max(map(len, lines)) > cells.LONGEST
            suspect = too_long or RISKY_LINE.search(text.decode())
            yield place, len(lines), self.block(rows(), before) if suspect else text
            before += len(lines)

    def is_harmless(self, rows: Sequence[Row]) -> bool:
        """One look at all texts from outside: nearly always nothing has to be done to any of them."""
        try:
            texts = "".join([f"{END}{END.join(self.texts(row))}" for row in rows])
        except TypeError:  # there is a None among them
            return False
        return texts.count(END) == len(self.at_risk) * len(rows) and not RISKY.search(texts)

    def guarded(self, row: Row) -> list[Any]:
        made = list(row)
        for place in self.at_risk:
            made[place] = cell(made[place])
        return made


def written(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
