"""The failed rows as they came, to be corrected and uploaded again: original columns in original order, then ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import QuerySet

from batches.exceptions import InvalidInput
from batches.intake.corrections import OUR_COLUMNS
from batches.intake.readers.base import MAX_COLUMNS
from batches.models import Item
from batches.redaction import redact, redact_text
from errors.exports.tables.base import MISSING, ROWS_PER_PAGE, Page, Row, Table, keyset_pages
from errors.exports.tables.items import failed_items

READ = ("position", "payload", "code", "message", "key", "attempts")


class Fix(Table):
    """An upload of the corrected file ignores our columns, and finds its items by `_item_key`."""

    kind = "fix"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.payload_columns = [name for name in self.original_columns() if name not in OUR_COLUMNS]
        self.columns = self.untrusted = (*self.payload_columns, *OUR_COLUMNS)

    def items(self) -> QuerySet[Item]:
        return failed_items(self)

    def original_columns(self) -> list[str]:
        """The header of the file, or the names that its items had when they were read."""
        source = self.batch.source
        return list(source.get("columns") or source.get("fields") or self.payload_names())

    def payload_names(self) -> dict[str, None]:
        """For items that came another way: the names in the order in which they first occur.

        Raises `InvalidInput` if they are too many for a table.
        """
        names: dict[str, None] = {}
        for payload in self.items().values_list("payload", flat=True).iterator(ROWS_PER_PAGE):
            if isinstance(payload, Mapping) and not payload.keys() <= names.keys():
                names |= dict.fromkeys(payload)
            if len(names) > MAX_COLUMNS:
                raise InvalidInput(
                    f"These items have more than {MAX_COLUMNS} different fields: no table holds them.",
                    {"kind": [f"fix is a table of at most {MAX_COLUMNS} columns."]},
                )
        return names

    def count(self) -> int:
        return self.items().count()

    def pages(self, after: Any = None) -> Iterator[Page]:
        for items in keyset_pages(self.items(), *READ, after=-1 if after is None else after):
            yield Page(items[-1][0], [self.row(*fields) for _, *fields in items])

    def row(self, payload: Any, code: str, message: str, key: str, attempts: int) -> Row:
        shown = redact(payload) if isinstance(payload, Mapping) else {}
        values = (shown.get(name, MISSING) for name in self.payload_columns)
        return (*values, code, redact_text(message, payload), key, attempts)

    def as_object(self, row: Row) -> dict[str, Any]:
        """A field that an item has not got is left out in JSON; in a table its cell is empty."""
        return {name: value for name, value in zip(self.columns, row, strict=True) if value is not MISSING}
