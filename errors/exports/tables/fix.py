"""The failed rows as they came, to be corrected and uploaded again: original columns in original order, then ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import QuerySet

from batches.exceptions import InvalidInput
from batches.intake.readers.base import MAX_COLUMNS
from batches.models import Item
from batches.redaction import redact, redact_text
from errors.exports.tables.base import AT_ONCE, MISSING, Page, Row, Table
from errors.exports.tables.items import failing

OURS = ("_error_code", "_error_message", "_item_key", "_attempts")
READ = ("position", "payload", "code", "message", "key", "attempts")


class Fix(Table):
    """An upload of the corrected file ignores columns that begin with `_`, and finds its items by `_item_key`."""

    kind = "fix"

    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.theirs = [name for name in self.original() if name not in OURS]
        self.columns = self.free = self.nested = (*self.theirs, *OURS)

    def items(self) -> QuerySet[Item]:
        return failing(self)

    def original(self) -> list[str]:
        """The header of the file, or the names that its items had when they were read."""
        source = self.batch.source
        return list(source.get("columns") or source.get("fields") or self.found())

    def found(self) -> dict[str, None]:
        """For items that came another way: the names in the order in which they first occur."""
        names: dict[str, None] = {}
        for payload in self.items().values_list("payload", flat=True).iterator(AT_ONCE):
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
        rows, last = self.items().values_list(*READ), -1 if after is None else after
        while page := list(rows.filter(position__gt=last)[:AT_ONCE]):
            last = page[-1][0]
            yield last, [self.row(*fields) for _, *fields in page]

    def row(self, payload: Any, code: str, message: str, key: str, attempts: int) -> Row:
        shown = redact(payload) if isinstance(payload, Mapping) else {}
        return (*(shown.get(name, MISSING) for name in self.theirs), code, redact_text(message, payload), key, attempts)

    def as_object(self, row: Row) -> dict[str, Any]:
        """A field that an item has not got is left out in JSON; in a table its cell is empty."""
        return {name: value for name, value in zip(self.columns, row, strict=True) if value is not MISSING}
