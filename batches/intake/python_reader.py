"""Items from Python: a list or iterable of mappings, or a Django queryset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import Any
from weakref import finalize

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.db.models.query import ValuesIterable

from batches.intake.readers.base import Reader, Row, checked_object

ROWS_PER_PAGE = 2_000
IN_MEMORY = 4 * 1024 * 1024


class PythonReader(Reader):
    """A reader whose content is what its payloads are, not the bytes of a file."""

    _fingerprint = ""

    def fingerprint(self) -> str:
        if not self._fingerprint:
            digest = sha256()
            for _, _, payload in self:
                digest.update(json.dumps(payload, sort_keys=True).encode() + b"\n")
            self._fingerprint = digest.hexdigest()
        return self._fingerprint


class ItemsReader(PythonReader):
    """An iterable of mappings, of any length in constant memory: one that can be walked only once is copied while it
    is walked, to disk when it is long."""

    def __init__(self, items: Iterable[Mapping[str, Any]]) -> None:
        self.items = items if isinstance(items, (list, tuple)) else ()
        self.reads_database = not self.items  # it may: who walks an iterable cannot know
        self.once = enumerate(() if self.items else items, 1)
        self.copy = SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115 - open as long as this is
        finalize(self, self.copy.close)

    def __iter__(self) -> Iterator[Row]:
        for row, item in enumerate(self.items, 1):
            yield checked(row, item)
        self.copy.seek(0)
        for row, line in enumerate(self.copy, 1):
            yield Row(row, None, json.loads(line))
        for row, item in self.once:  # now at the copy's end
            checked_row = checked(row, item)
            print(json.dumps(checked_row.payload), file=self.copy)
            yield checked_row

    def is_long(self, rows: int) -> bool:
        """An iterable may write while it is walked, which is to be undone with the submission: it is not known."""
        return len(self.items) >= rows

    def report(self) -> dict[str, Any]:
        return {"format": "items"}


def checked(row: int, item: Any) -> Row:
    return Row(row, None, checked_object(dict(item) if isinstance(item, Mapping) else item, row=row))


class QuerysetReader(PythonReader):
    """The concrete fields of each object, or those that `values` chose, as JSON would write them."""

    reads_database = True

    def __init__(self, queryset: QuerySet[Any]) -> None:
        ordered = queryset if queryset.ordered else queryset.order_by("pk")
        self.queryset = ordered if ordered._iterable_class is ValuesIterable else ordered.values()

    def __iter__(self) -> Iterator[Row]:
        for row, values in enumerate(self.queryset.iterator(chunk_size=ROWS_PER_PAGE), 1):
            payload = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
            yield Row(row, None, checked_object(payload, row=row))

    def is_long(self, rows: int) -> bool:
        return self.queryset.order_by()[:rows].count() >= rows

    def report(self) -> dict[str, Any]:
        return {"format": "queryset", "model": self.queryset.model._meta.label}
