"""A field of a payload as text, on both databases, under whatever name: the name is data, never part of a lookup."""

from __future__ import annotations

from typing import Any

from django.db.models import Func, TextField, Value

OBJECT, LIST = "{…}", "[…]"


class PayloadText(Func):
    """What stands under a path of names: text as it is, a number or a boolean as JSON writes it, null as NULL.

    Of an object or a list only that it is one: what is masked within could be asked for by its whole text.
    """

    output_field = TextField()

    def __init__(self, payload: Any, *path: str) -> None:
        self.path = path
        super().__init__(payload, *map(Value, path))

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        kinds = f"WHEN 'object' THEN '{OBJECT}' WHEN 'array' THEN '{LIST}'"
        of_kind = "CASE JSONB_TYPEOF(JSONB_EXTRACT_PATH(%(expressions)s))"
        template = f"{of_kind} {kinds} ELSE JSONB_EXTRACT_PATH_TEXT(%(expressions)s) END"
        sql, params = self.as_sql(compiler, connection, template=template, **more)
        return sql, [*params, *params]

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        column, params = compiler.compile(self.source_expressions[0])
        path = "$" + "".join(f'."{name}"' for name in self.path)
        kinds = "WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'null' THEN NULL"
        kinds += f" WHEN 'object' THEN '{OBJECT}' WHEN 'array' THEN '{LIST}'"
        sql = f"CASE JSON_TYPE({column}, %s) {kinds} ELSE CAST(JSON_EXTRACT({column}, %s) AS TEXT) END"
        return sql, [*params, path, *params, path]

    def __repr__(self) -> str:
        return f"PayloadText({'.'.join(self.path)})"
