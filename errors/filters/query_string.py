"""Filters whose fields are all texts, as they stand in a page's address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Self

from django.utils.http import urlencode

from batches.models import ITEM_KEY_LENGTH

MAX_LENGTH = ITEM_KEY_LENGTH


class QueryStringFilter:
    """For frozen dataclasses: every field is a text, empty for any."""

    __slots__ = ()

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> Self:
        """The filter of a query string or a REST body; names that are no field are left alone."""
        values = {field.name: query.get(field.name) for field in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: clean_text(value) for name, value in values.items() if value is not None})

    def as_dict(self) -> dict[str, str]:
        """The fields that are filled in; an empty dictionary for a filter that everything passes."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}  # type: ignore[arg-type]

    @property
    def query_string(self) -> str:
        return urlencode(self.as_dict())


def clean_text(value: Any) -> str:
    return str(value).replace("\x00", "").strip()[:MAX_LENGTH]
