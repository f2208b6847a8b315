"""CSV as RFC 4180 has it, in UTF-8 with a byte order mark, which Excel needs; no cell can run as a formula."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from batches import cells
from errors.exporters.base import Envelope, Exporter, cell, raw_cell
from errors.tables import Table
from errors.tables.base import Row

END = "\x00"
"""Stands between cells that are looked at together; no database stores it in a text."""
FORMULA = f"[{re.escape(cells.PASSED_OVER)}]*[{re.escape(''.join(sorted(cells.TRIGGERS)))}]"
RISKY = re.compile(f"(?:\\A|{END}){FORMULA}|[^{END}]{{{cells.LONGEST + 1}}}")


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

    def is_harmless(self, rows: Sequence[Row]) -> bool:
        """One look at all texts from outside: nearly always nothing has to be done to any of them."""
        try:
            texts = END.join([END.join(self.texts(row)) for row in rows])
        except TypeError:  # there is a None among them
            return False
        return texts.count(END) == len(self.at_risk) * len(rows) - 1 and not RISKY.search(texts)

    def guarded(self, row: Row) -> list[Any]:
        made = list(row)
        for place in self.at_risk:
            made[place] = cell(made[place])
        return made


def written(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
