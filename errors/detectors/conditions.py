"""Conditions on a field of a payload, whatever became of the item: equal, missing, empty, at most, longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import ceil, isfinite
from types import NoneType
from typing import Any

Atom = tuple[str, Any]
"""A value with its kind, so that 1, True and "1" stay apart."""
MISSING: Atom = ("missing", None)
EMPTY: tuple[Atom, ...] = (("null", None), ("text", ""), ("list", 0))
MAX_VALUES = 200
MAX_FIELDS = 500
MAX_LENGTH = 500
QUANTILES = 15
RARE_PARTS = (32, 64, 128, 256)
"""The smallest and the largest 32nd, 64th, … of the values: what is rare lies there."""
MAX_DEPTH = 3
MAX_SHOWN = 40


CIRCUMSTANCE_PREFIX = "attempt's "
"""Before the name of a circumstance, so that none is taken for a field of the payload."""


def are_circumstances(fields: Iterable[str]) -> bool:
    """Whether these fields tell how items were tried, not what is in them."""
    return any(name.startswith(CIRCUMSTANCE_PREFIX) for name in fields)


class Word(str):
    """A name such as a machine's: conditions on its length or its value as a number mean nothing."""

    __slots__ = ()


SCALARS: frozenset[type] = frozenset({str, int, float, bool, NoneType, Word})
"""Types of nearly all values."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something true of some values of one field; `text` is how a person would say it, `test` can be stored."""

    field: str
    text: str
    test: tuple[Any, ...]

    @property
    def holds(self) -> Callable[[Atom], bool]:
        return TESTS[self.test[0]](*self.test[1:])


def flat(payload: Mapping[str, Any]) -> Iterator[tuple[str, Atom]]:
    """(field path, atom) down to the third level."""
    for path, value in leaves(payload):
        yield path, atom_of(value)


def leaves(payload: Mapping[str, Any], path: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    """(field path, value) down to the third level."""
    for name, value in payload.items():
        here = f"{path}.{name}" if path else str(name)
        if type(value) not in SCALARS and isinstance(value, Mapping) and depth < MAX_DEPTH:
            yield from leaves(value, here, depth + 1)
        else:
            yield here, value


def slim(value: Any, depth: int = 0) -> Any:
    """As much of a payload as conditions can speak of: thousands of payloads are held at a time."""
    if type(value) in SCALARS:
        return value[:MAX_LENGTH] if type(value) is str else value
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        return {str(name)[:MAX_LENGTH]: slim(inner, depth + 1) for name, inner in islice(value.items(), MAX_FIELDS)}
    if isinstance(value, Mapping):
        return dict.fromkeys(range(min(len(value), MAX_FIELDS)))
    if isinstance(value, (list, tuple)):
        return [None] * min(len(value), MAX_LENGTH)
    return value[:MAX_LENGTH] if isinstance(value, str) else value


def atom_of(value: Any) -> Atom:
    """Lists and deep objects count by their size only."""
    if value is None:
        return "null", None
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, (int, float)):
        return "number", value
    if isinstance(value, Word):
        return "word", str(value)
    if isinstance(value, str):
        return "text", value
    return "list" if isinstance(value, (list, tuple)) else "object", len(value)


def equal_condition(field: str, atom: Atom) -> Condition:
    return Condition(field, f"{field} = {shown(atom[1])}", ("is", *atom))


def shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) and not value.strip() else str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def empty_condition(field: str) -> Condition:
    return Condition(field, f"{field} is empty", ("empty",))


def kind_condition(field: str, kind: str) -> Condition:
    text = f"{field} is missing" if kind == "missing" else f"type of {field} is {kind}"
    return Condition(field, text, ("kind", kind))


def at_most_condition(field: str, measure: str, cut: float) -> Condition:
    return Condition(field, f"{measured_name(field, measure)} <= {cut:g}", ("at_most", measure, cut))


def more_than_condition(field: str, measure: str, cut: float) -> Condition:
    return Condition(field, f"{measured_name(field, measure)} > {cut:g}", ("more_than", measure, cut))


def measured_name(field: str, measure: str) -> str:
    return f"length of {field}" if measure == "length" else field


def number_in(atom: Atom) -> float | None:
    """A number, also one written as text, as every CSV file has them; what begins with a letter is no finite one."""
    kind, value = atom
    if kind not in ("number", "text") or (kind == "text" and value[:1].isalpha()):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def length_of(atom: Atom) -> float | None:
    if atom[0] == "text":
        return float(len(atom[1]))
    return float(atom[1]) if atom[0] == "list" else None


def quantiles(items: int) -> list[int]:
    """How many of the items, sorted by their numbers, reach equal shares, and ever smaller ones at both ends."""
    shares = [k / (QUANTILES + 1) for k in range(1, QUANTILES + 1)]
    shares += [end for part in RARE_PARTS for end in (1 / part, 1 - 1 / part)]
    return sorted({ceil(items * share) for share in shares})


def at_most(measure: str, cut: float) -> Callable[[Atom], bool]:
    return lambda atom: (number := MEASURES[measure](atom)) is not None and number <= cut


def more_than(measure: str, cut: float) -> Callable[[Atom], bool]:
    return lambda atom: (number := MEASURES[measure](atom)) is not None and number > cut


MEASURES: dict[str, Callable[[Atom], float | None]] = {"number": number_in, "length": length_of}
TESTS: dict[str, Callable[..., Callable[[Atom], bool]]] = {
    "is": lambda kind, value: (kind, value).__eq__,
    "empty": lambda: EMPTY.__contains__,
    "kind": lambda kind: lambda atom: atom[0] == kind,
    "at_most": at_most,
    "more_than": more_than,
}


def is_test(test: Any) -> bool:
    """Whether a value from outside has the shape of a condition's test."""
    if not isinstance(test, (list, tuple)) or not test or not isinstance(test[0], str):
        return False
    name, *rest = test
    if name in ("at_most", "more_than"):
        return len(rest) == 2 and rest[0] in ("number", "length") and is_number(rest[1])
    if name == "is":
        return len(rest) == 2 and isinstance(rest[0], str) and isinstance(rest[1], (str, int, float, bool, type(None)))
    return rest == [] if name == "empty" else name == "kind" and len(rest) == 1 and isinstance(rest[0], str)


def is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and isfinite(value))


def all_hold(conditions: Sequence[tuple[str, tuple[Any, ...]]], payload: Mapping[str, Any]) -> bool:
    """Whether (field, test) is true of a payload, for each of them."""
    atoms = dict(flat(payload))
    return all(TESTS[name](*rest)(atoms.get(field, MISSING)) for field, (name, *rest) in conditions)
