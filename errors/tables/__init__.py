"""What can be exported: a kind is one class and its line in `KINDS`."""

from errors.tables.base import Table
from errors.tables.detail import Detail
from errors.tables.fix import Fix
from errors.tables.items import Items
from errors.tables.summary import Summary

KINDS: dict[str, type[Table]] = {"summary": Summary, "detail": Detail, "items": Items, "fix": Fix}

__all__ = ["KINDS", "Table"]
