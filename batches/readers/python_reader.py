"""Items from Python: a list or iterable of mappings, or a Django queryset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.db.models.query import ValuesIterable

from batches.readers.base import Reader, Row, checked_object

AT_ONCE = 2_000


class ItemsReader(Reader):
    """An iterable of mappings; one that can be walked only once is kept."""

    def __init__(self, items: Iterable[Mapping[str, Any]]) -> None:
        self.items = items if isinstance(items, (list, tuple)) else list(items)

    def __iter__(self) -> Iterator[Row]:
        for row, item in enumerate(self.items, 1):
            value = dict(item) if isinstance(item, Mapping) else item
            yield Row(row, None, checked_object(value, row=row))

    def report(self) -> dict[str, Any]:
        return {"format": "items"}

    def fingerprint(self) -> str:
        digest = sha256()
        for _, _, payload in self:
            digest.update(json.dumps(payload, sort_keys=True).encode() + b"\n")
        return digest.hexdigest()


class QuerysetReader(Reader):
    """The concrete fields of each object, or those that `values` chose, as JSON would write them."""

    reads_database = True

    def __init__(self, queryset: QuerySet[Any]) -> None:
        ordered = queryset if queryset.ordered else queryset.order_by("pk")
        self.queryset = ordered if ordered._iterable_class is ValuesIterable else ordered.values()

    def __iter__(self) -> Iterator[Row]:
        for row, values in enumerate(self.queryset.iterator(chunk_size=AT_ONCE), 1):
            payload = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
            yield Row(row, None, checked_object(payload, row=row))

    def report(self) -> dict[str, Any]:
        return {"format": "queryset", "model": self.queryset.model._meta.label}

    def fingerprint(self) -> str:
        digest = sha256()
        for _, _, payload in self:
            digest.update(json.dumps(payload, sort_keys=True).encode() + b"\n")
        return digest.hexdigest()
