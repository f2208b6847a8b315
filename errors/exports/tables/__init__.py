"""What can be exported: a kind is one class and its line in `KINDS`."""

from errors.exports.tables.base import Table
from errors.exports.tables.detail import Detail
from errors.exports.tables.fix import Fix
from errors.exports.tables.items import Items
from errors.exports.tables.summary import Summary

KINDS: dict[str, type[Table]] = {"summary": Summary, "detail": Detail, "items": Items, "fix": Fix}

__all__ = ["KINDS", "Table"]
