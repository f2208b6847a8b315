"""A page is a frozen dataclass; its template reads the fields by their names."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def context_of(page: DataclassInstance) -> dict[str, Any]:
    return {field.name: getattr(page, field.name) for field in fields(page)}
