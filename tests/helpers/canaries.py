"""Secrets with which a test looks where they get to: every column of every table, texts, downloads."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from django.db import connection


def forms(canary: str) -> set[str]:
    """As an attacker would look for it."""
    data = canary.encode()
    coded = {b64encode(data).decode().rstrip("="), b64encode(b"user:" + data).decode().rstrip("="), data.hex()}
    return {canary, repr(canary)[1:-1], json.dumps(canary)[1:-1], quote(canary, safe="")} | coded


def seen_in(text: str, canaries: Iterable[str]) -> set[str]:
    """Those that stand in the text; one of three characters only as a word of its own, not as a number's decimals."""
    return {canary for canary in canaries if any(stands_in(form, text) for form in forms(canary))}


def stands_in(form: str, text: str) -> bool:
    return form in text if len(form) > 3 else bool(re.search(rf"(?<!\w)(?<!\d\.){re.escape(form)}(?!\w)", text))


def cells() -> Iterator[tuple[str, str]]:
    """(table.column, text) of everything that is stored; a number of the database's own is no text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                named = zip(names, row, strict=True)
                yield from ((f"{table}.{name}", text_of(value)) for name, value in named if not is_number(name, value))


def is_number(column: str, value: Any) -> bool:
    """Whether it is a key of a row, which comes to any number as more tests run."""
    return isinstance(value, int) and (column == "id" or column.endswith("_id"))


def text_of(value: Any) -> str:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode("utf-8", "replace")
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else str(value)


def columns_with(canaries: Iterable[str]) -> set[str]:
    """The columns of all tables in which one of them stands."""
    return {column for column, text in cells() if seen_in(text, canaries)}
