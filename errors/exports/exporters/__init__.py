"""The formats of exports: a format is one class and its line in `EXPORTERS`."""

from errors.exports.exporters.base import Exporter
from errors.exports.exporters.csv_exporter import Csv
from errors.exports.exporters.json_exporter import Json, Ndjson
from errors.exports.exporters.semicolon_exporter import SemicolonCsv
from errors.exports.exporters.xlsx_exporter import Xlsx

EXPORTERS: dict[str, type[Exporter]] = {
    "csv": Csv,
    "json": Json,
    "ndjson": Ndjson,
    "xlsx": Xlsx,
    "semicolon": SemicolonCsv,
}

__all__ = ["EXPORTERS", "Exporter"]
