"""Items from Python: a list or iterable of mappings, or a Django queryset."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

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
    """The concrete fields of each object of a queryset, as JSON would write them."""

    def __init__(self, queryset: QuerySet[Any]) -> None:
        self.queryset = queryset if queryset.ordered else queryset.order_by("pk")

    def __iter__(self) -> Iterator[Row]:
        for row, values in enumerate(self.queryset.values().iterator(chunk_size=AT_ONCE), 1):
            payload = json.loads(json.dumps(values, cls=DjangoJSONEncoder))
            yield Row(row, None, checked_object(payload, row=row))

    def report(self) -> dict[str, Any]:
        return {"format": "queryset", "model": self.queryset.model._meta.label}

    def fingerprint(self) -> str:
        digest = sha256()
        for _, _, payload in self:
            digest.update(json.dumps(payload, sort_keys=True).encode() + b"\n")
        return digest.hexdigest()
