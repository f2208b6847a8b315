"""JSON and NDJSON: nothing is cut or guarded. A document ends in `complete`, by which a broken download is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from errors.exports.exporters.base import Exporter
from errors.exports.tables.base import Row

ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


class Json(Exporter):
    """One document: its envelope, then the rows, then `complete`."""

    name = "json"
    content_type = "application/json"

    def head(self) -> bytes:
        document = self.envelope() | {"errors": []}
        document.pop(self.table.list_name, None)
        return f"{ENCODE(document)[:-1]},{ENCODE(self.table.list_name)}:[".encode("utf-8", "replace")

    def block(self, rows: Sequence[Row], before: int) -> bytes:
        as_object = self.table.as_object
        text = ENCODE([as_object(row) for row in rows])[1:-1]
        return f"{',' if before else ''}\n{text}".encode("utf-8", "replace")

    def tail(self, row_count: int) -> Iterator[bytes]:
        yield f'\n],"row_count":{row_count},"complete":true}}\n'.encode()


class Ndjson(Exporter):
    """One object a line."""

    name = "ndjson"
    content_type = "application/x-ndjson"

    def block(self, rows: Sequence[Row], before: int) -> bytes:
        as_object = self.table.as_object
        return "".join([f"{ENCODE(as_object(row))}\n" for row in rows]).encode("utf-8", "replace")
