"""Reads that are asked every second, and whose SQL took Django longer to make than the database to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)

TEXT = "\x00{} {}"
TIME = datetime(1, 1, 1, tzinfo=UTC)
NUMBER = 31_415
"""Stand-ins for arguments while SQL is made: nothing that is stored is like these."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL, its parameters with the places of the arguments among them, and how each column becomes a Python value."""

    sql: str
    params: list[Any]
    places: list[tuple[int, int]]
    converters: dict[int, Any]


Argument = Sequence[str] | datetime | int


class CompiledQuery:
    """A query of which Django makes the SQL once for each number of texts, mostly ids of batches, to send it from then
    on.

    `build(*arguments)` returns it as a `values_list`; each argument may stand in it several times or not at all. A list
    of texts is one for `IN`: what it is filled up with changes nothing there; a number is a key or a bound. The present
    is asked for anew with each sending where it comes of `clock.ago`.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, tuple[Any, ...]]], *, suffix: str = "") -> None:
        """`suffix`: how the statement ends, for what Django has no word."""
        self._build, self._suffix = build, suffix
        self._compiled: dict[tuple[str, tuple[int, ...]], Compiled] = {}

    def rows(self, *arguments: Argument) -> Iterator[tuple[Any, ...]]:
        """The rows, with the values that the `values_list` would have."""
        filled = [each if isinstance(each, (datetime, int)) else filled_up(each) for each in arguments]
        compiled = self._compiled_for(filled)
        values, params = values_of(filled), list(compiled.params)
        for place, value in compiled.places:
            params[place] = values[value]
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, params)
            rows = cursor.fetchall()
        return converted(rows, compiled.converters)

    def _compiled_for(self, arguments: Sequence[Argument]) -> Compiled:
        lengths = tuple(length_of(each) for each in arguments)
        key = (connection.vendor, lengths)
        if key not in self._compiled:
            self._compiled[key] = self._compile([stand_in(place, length) for place, length in enumerate(lengths)])
        return self._compiled[key]

    def _compile(self, stand_ins: list[Argument]) -> Compiled:
        compiler = self._build(*stand_ins).query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        values = values_of(stand_ins)
        places = [(place, values.index(param)) for place, param in enumerate(params) if param in values]
        return Compiled(
            sql + self._suffix,
            list(params),
            places,
            compiler.get_converters([column for column, *_ in compiler.select]),
        )


def filled_up(texts: Sequence[str]) -> list[str]:
    """As many as a power of two, so that there are few lengths: a text named twice changes no `IN`, and no id is ''."""
    texts = texts or [""]
    return [*texts, *[texts[-1]] * (2 ** (len(texts) - 1).bit_length() - len(texts))]


def length_of(argument: Argument) -> int:
    """How many texts it is; 0 for a time, -1 for a number."""
    if isinstance(argument, datetime):
        return 0
    return -1 if isinstance(argument, int) else len(argument)


def stand_in(place: int, length: int) -> Argument:
    """What stands for the argument at that place: so many texts, a time, or a number."""
    if length < 0:
        return NUMBER + place
    return [TEXT.format(place, n) for n in range(length)] or TIME.replace(day=place + 1)


def values_of(arguments: Sequence[Argument]) -> list[Any]:
    """One after the other, as the database stores them."""
    values: list[Any] = []
    for each in arguments:
        if isinstance(each, datetime):
            values.append(connection.ops.adapt_datetimefield_value(each))
        else:
            values += [each] if isinstance(each, int) else each
    return values


def converted(rows: list[tuple[Any, ...]], converters: dict[int, Any]) -> Iterator[tuple[Any, ...]]:
    """The rows with what the driver returned as Django returns it."""
    for row in rows:
        values = list(row)
        for place, (functions, column) in converters.items():
            for convert in functions:
                values[place] = convert(values[place], column, connection)
        yield tuple(values)


class CompiledRows(Generic[Row]):
    """The same of a model's whole rows: what `build` returns is a query of them. `more`: annotations of that query,
    which are read beside them."""

    def __init__(self, model: type[Row], build: Callable[..., QuerySet[Row]], *more: str) -> None:
        self._model = model
        self._names = [field.attname for field in model._meta.concrete_fields]
        self._query = CompiledQuery(lambda *arguments: build(*arguments).values_list(*self._names, *more))

    def first(self, *arguments: Argument) -> Row | None:
        """The first of the rows, if there is any."""
        return self.first_and_more(*arguments)[0]

    def first_and_more(self, *arguments: Argument) -> tuple[Row | None, tuple[Any, ...]]:
        """The first of the rows, if there is any, and what is read beside it."""
        for values in self._query.rows(*arguments):
            own = len(self._names)
            return self._model.from_db(connection.alias, self._names, values[:own]), values[own:]
        return None, ()
