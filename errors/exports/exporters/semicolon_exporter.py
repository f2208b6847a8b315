"""CSV with semicolons: what spreadsheets open and save where the decimal sign is a comma."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from errors.exports.exporters.base import Block, Exporter
from errors.exports.exporters.csv_exporter import Csv


class SemicolonCsv(Csv):
    name = "semicolon"
    suffix = "csv"
    delimiter = ";"
    quoting = csv.QUOTE_ALL
    """A spreadsheet that expects commas must not find the beginning of a cell within one."""

    def blocks(self, after: Any = None, before: int = 0) -> Iterator[Block]:
        """Row by row: what the database writes has commas."""
        yield from Exporter.blocks(self, after, before)
