"""A field of a payload as text, on both databases, under whatever name: the name is data, never part of a lookup."""

from __future__ import annotations

from typing import Any

from django.db.models import Func, TextField, Value


class PayloadText(Func):
    """What stands under a path of names: text as it is, a number or a boolean as JSON writes it, null as NULL."""

    output_field = TextField()

    def __init__(self, payload: Any, *path: str) -> None:
        self.path = path
        super().__init__(payload, *map(Value, path))

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSONB_EXTRACT_PATH_TEXT", **more)

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        column, params = compiler.compile(self.source_expressions[0])
        path = "$" + "".join(f'."{name}"' for name in self.path)
        kinds = "WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'null' THEN NULL"
        sql = f"CASE JSON_TYPE({column}, %s) {kinds} ELSE CAST(JSON_EXTRACT({column}, %s) AS TEXT) END"
        return sql, [*params, path, *params, path]

    def __repr__(self) -> str:
        return f"PayloadText({'.'.join(self.path)})"
