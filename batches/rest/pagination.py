"""Pages by cursor: as quick at the millionth row as at the first, and steady while rows are added."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as InvalidValue
from django.db import DataError
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class Pages(CursorPagination):
    """`page_size` up to 500."""

    page_size, page_size_query_param, max_page_size = 50, "page_size", 500

    def decode_cursor(self, request: Request) -> Any:
        """A cursor from outside must stand for a value of the column that orders the rows."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                self.column.to_python(cursor.position)
        except Exception as error:
            raise ValidationError({"cursor": ["Not a cursor of this list."]}) from error
        return cursor

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        self.column = queryset.model._meta.get_field(self.ordering[0].lstrip("-"))
        try:
            return super().paginate_queryset(queryset, request, view)
        except (OverflowError, DataError, InvalidValue) as error:
            raise ValidationError({"request": ["A value is out of range."]}) from error


class NewestFirst(Pages):
    ordering = ("-created_at", "-pk")


class ByPosition(Pages):
    ordering = ("position",)


class ById(Pages):
    ordering = ("id",)


class LatestFirst(Pages):
    ordering = ("-id",)
