"""Reads that are asked every second, and whose SQL took Django longer to make than the database to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

BATCH_ID = "\x00batch {}"
TIME = datetime(1, 1, 1, tzinfo=UTC)
"""Stand-ins for arguments while SQL is made: nothing that is stored is like these."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL, its parameters with the places of the arguments among them, and how each column becomes a Python value."""

    sql: str
    params: list[Any]
    places: list[tuple[int, int]]
    converters: dict[int, Any]


class CompiledQuery:
    """A query over batches of which Django makes the SQL once for each number of them, to send it from then on.

    `build(batch_ids, *times)` returns it as a `values_list`; each argument may stand in it several times or not at all.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, tuple[Any, ...]]]) -> None:
        self._build = build
        self._compiled: dict[tuple[str, int], Compiled] = {}

    def rows(self, batch_ids: Sequence[str], *times: datetime) -> Iterator[tuple[Any, ...]]:
        """The rows for at least one batch, with the values that the `values_list` would have."""
        # An id named twice changes no IN, and keeps the lengths few.
        repeated = [*batch_ids, *[batch_ids[-1]] * (2 ** (len(batch_ids) - 1).bit_length() - len(batch_ids))]
        compiled = self._compiled_for(len(repeated), len(times))
        arguments = [*repeated, *map(connection.ops.adapt_datetimefield_value, times)]
        params = list(compiled.params)
        for place, argument in compiled.places:
            params[place] = arguments[argument]
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, params)
            rows = cursor.fetchall()
        return converted(rows, compiled.converters)

    def _compiled_for(self, batches: int, times: int) -> Compiled:
        key = (connection.vendor, batches)
        if key not in self._compiled:
            self._compiled[key] = self._compile(
                [BATCH_ID.format(n) for n in range(batches)], [TIME.replace(day=n + 1) for n in range(times)]
            )
        return self._compiled[key]

    def _compile(self, batch_ids: list[str], times: list[datetime]) -> Compiled:
        compiler = self._build(batch_ids, *times).query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        stand_ins = [*batch_ids, *map(connection.ops.adapt_datetimefield_value, times)]
        places = [(place, stand_ins.index(param)) for place, param in enumerate(params) if param in stand_ins]
        return Compiled(sql, list(params), places, compiler.get_converters([column for column, *_ in compiler.select]))


def converted(rows: list[tuple[Any, ...]], converters: dict[int, Any]) -> Iterator[tuple[Any, ...]]:
    """The rows with what the driver returned as Django returns it."""
    for row in rows:
        values = list(row)
        for place, (functions, column) in converters.items():
            for convert in functions:
                values[place] = convert(values[place], column, connection)
        yield tuple(values)
