"""What can be said of a payload's field, whatever became of the item: equal, missing, empty, at most, longer."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from math import ceil, isfinite
from typing import Any

Atom = tuple[str, Any]
"""A value with its kind, so that 1, True and "1" stay apart."""
MISSING: Atom = ("missing", None)
EMPTY: tuple[Atom, ...] = (("null", None), ("text", ""), ("list", 0))
MOST_VALUES = 200
MOST_FIELDS = 500
LONGEST = 500
CUTS = 15
DEEPEST = 3
SHOWN = 40


PREFIX = "attempt's "
"""Before the name of a circumstance, so that none is taken for a field of the payload."""


def are_circumstances(fields: Iterable[str]) -> bool:
    """Whether they speak of how items were tried, not of what they are."""
    return any(name.startswith(PREFIX) for name in fields)


class Word(str):
    """A name like that of a machine: equal or not, neither long nor short, and no number."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """Something true of some values of one field; `text` is how a person would say it, `test` can be stored."""

    field: str
    text: str
    test: tuple[Any, ...]

    @property
    def holds(self) -> Callable[[Atom], bool]:
        return TESTS[self.test[0]](*self.test[1:])


@dataclass(frozen=True, slots=True)
class Tally:
    """A condition, how many items it holds for, and how many of those failed."""

    condition: Condition
    items: int
    failed: int


def flat(payload: Mapping[str, Any], path: str = "", depth: int = 1) -> Iterator[tuple[str, Atom]]:
    """(field path, atom) down to the third level."""
    for name, value in payload.items():
        here = f"{path}.{name}" if path else str(name)
        if isinstance(value, Mapping) and depth < DEEPEST:
            yield from flat(value, here, depth + 1)
        else:
            yield here, atom(value)


def slim(value: Any, depth: int = 0) -> Any:
    """As much of a payload as can be said anything about: thousands of them are held at a time."""
    if isinstance(value, Mapping) and depth < DEEPEST:
        return {str(name)[:LONGEST]: slim(inner, depth + 1) for name, inner in islice(value.items(), MOST_FIELDS)}
    if isinstance(value, Mapping):
        return dict.fromkeys(range(min(len(value), MOST_FIELDS)))
    if isinstance(value, (list, tuple)):
        return [None] * min(len(value), LONGEST)
    return value[:LONGEST] if isinstance(value, str) else value


def atom(value: Any) -> Atom:
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


def tallies(field: str, items: Counter[Atom], failed: Counter[Atom]) -> Iterator[Tally]:
    """Every condition on a field with its counts, equality first."""
    yield from equalities(field, items, failed)
    yield from kinds(field, items, failed)
    yield from cuts(field, field, "number", items, failed)
    yield from cuts(field, f"length of {field}", "length", items, failed)


def equalities(field: str, items: Counter[Atom], failed: Counter[Atom]) -> Iterator[Tally]:
    """The most frequent values; a field whose values nearly all differ has none worth a look."""
    often = Counter({one: n for one, n in items.items() if n > 1 and one != MISSING and one[0] != "object"})
    for one, n in often.most_common(MOST_VALUES):
        if one[0] != "list":
            yield Tally(Condition(field, f"{field} = {shown(one[1])}", ("is", *one)), n, failed[one])


def shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) and not value.strip() else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def kinds(field: str, items: Counter[Atom], failed: Counter[Atom]) -> Iterator[Tally]:
    by_kind, failed_by_kind = Counter[str](), Counter[str]()
    for one, n in items.items():
        by_kind[one[0]] += n
        failed_by_kind[one[0]] += failed[one]
    empty = Condition(field, f"{field} is empty", ("empty",))
    yield Tally(empty, sum(items[one] for one in EMPTY), sum(failed[one] for one in EMPTY))
    for kind in sorted(by_kind):
        text = f"{field} is missing" if kind == "missing" else f"type of {field} is {kind}"
        yield Tally(Condition(field, text, ("kind", kind)), by_kind[kind], failed_by_kind[kind])


def number_in(one: Atom) -> float | None:
    """A number, also one written as text, as every CSV file has them."""
    if one[0] not in ("number", "text"):
        return None
    try:
        number = float(one[1])
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def length_of(one: Atom) -> float | None:
    if one[0] == "text":
        return float(len(one[1]))
    return float(one[1]) if one[0] == "list" else None


def cuts(
    field: str,
    name: str,
    measure: str,
    items: Counter[Atom],
    failed: Counter[Atom],
) -> Iterator[Tally]:
    """At most, and more than, each of 15 quantiles."""
    counts: dict[float, list[int]] = {}
    for one, n in items.items():
        if (number := MEASURES[measure](one)) is not None:
            count = counts.setdefault(number, [0, 0])
            count[0] += n
            count[1] += failed[one]
    if len(counts) < 2:
        return
    numbers = sorted(counts)
    reached = list(accumulate(counts[number][0] for number in numbers))
    failing = list(accumulate(counts[number][1] for number in numbers))
    for at in quantiles(reached):
        cut = numbers[at]
        yield Tally(Condition(field, f"{name} <= {cut:g}", ("at_most", measure, cut)), reached[at], failing[at])
        above = Condition(field, f"{name} > {cut:g}", ("more_than", measure, cut))
        yield Tally(above, reached[-1] - reached[at], failing[-1] - failing[at])


def quantiles(reached: list[int]) -> list[int]:
    """Where cumulated counts reach equal shares; never the last, above which there is nothing."""
    shares = (ceil(reached[-1] * k / (CUTS + 1)) for k in range(1, CUTS + 1))
    return sorted({bisect_left(reached, share) for share in shares} - {len(reached) - 1})


def at_most(measure: str, cut: float) -> Callable[[Atom], bool]:
    return lambda one: (number := MEASURES[measure](one)) is not None and number <= cut


def more_than(measure: str, cut: float) -> Callable[[Atom], bool]:
    return lambda one: (number := MEASURES[measure](one)) is not None and number > cut


MEASURES: dict[str, Callable[[Atom], float | None]] = {"number": number_in, "length": length_of}
TESTS: dict[str, Callable[..., Callable[[Atom], bool]]] = {
    "is": lambda kind, value: (kind, value).__eq__,
    "empty": lambda: EMPTY.__contains__,
    "kind": lambda kind: lambda one: one[0] == kind,
    "at_most": at_most,
    "more_than": more_than,
}


def is_test(said: Any) -> bool:
    """Whether it has the shape of a condition's test, wherever it comes from."""
    if not isinstance(said, (list, tuple)) or not said or not isinstance(said[0], str):
        return False
    name, *rest = said
    if name in ("at_most", "more_than"):
        return len(rest) == 2 and rest[0] in ("number", "length") and type(rest[1]) in (int, float)
    if name == "is":
        return len(rest) == 2 and isinstance(rest[0], str) and isinstance(rest[1], (str, int, float, bool, type(None)))
    return rest == [] if name == "empty" else name == "kind" and len(rest) == 1 and isinstance(rest[0], str)


def all_hold(conditions: Sequence[tuple[str, tuple[Any, ...]]], payload: Mapping[str, Any]) -> bool:
    """Whether (field, test) is true of a payload, for each of them."""
    atoms = dict(flat(payload))
    return all(TESTS[name](*rest)(atoms.get(field, MISSING)) for field, (name, *rest) in conditions)
