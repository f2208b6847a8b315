"""The fields of a batch's items with every value as a small number, so that counting compares no values.

A batch is counted for each kind of failure: what does not depend on the kind is worked out once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, compress, count, islice
from operator import itemgetter
from typing import Any, NamedTuple

from errors.detectors.conditions import (
    EMPTY,
    MAX_FIELDS,
    MAX_VALUES,
    MEASURES,
    MISSING,
    SCALARS,
    Atom,
    Condition,
    Word,
    at_most_condition,
    atom_of,
    empty_condition,
    equal_condition,
    kind_condition,
    leaves,
    more_than_condition,
    quantiles,
)

ABSENT = object()
HASHED = SCALARS | {object}
NUMBERS, TEXTS = frozenset({int, float, bool}), frozenset({str, Word})
NOT_COMPARED = ("missing", "object", "list")
"""Kinds whose values are not looked for one by one."""


Pick = Callable[[Sequence[Any]], Sequence[Any]]
"""What some ranks have, of what is listed by rank."""


def pick(ranks: Sequence[int]) -> Pick:
    if len(ranks) < 2:
        return lambda by_rank: [by_rank[rank] for rank in ranks]
    return itemgetter(*ranks)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some of the items: what they have, of what is listed by rank; `mask` is 1 at their ranks, None: all."""

    of: Pick
    mask: bytearray | None = None


EVERYTHING = Chosen(lambda by_rank: by_rank)


class Tally(NamedTuple):
    """A condition, how many items it holds for, and how many of those failed; the condition is written when asked."""

    write: Callable[..., Condition]
    arguments: tuple[Any, ...]
    items: int
    failed: int

    @property
    def condition(self) -> Condition:
        return self.write(*self.arguments)


class Cut(NamedTuple):
    """A place among the sorted numbers of a field, and how many items have at most the number there."""

    place: int
    number: float
    items: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers, or the lengths, of a field: each item's place among the sorted ones, -1 for none."""

    measure: str
    places: Sequence[int]
    numbers: Sequence[float]
    order: Sequence[int]
    """The ranks with a number, from the smallest to the largest."""

    def cuts(self, chosen: Chosen) -> tuple[int, list[Cut]]:
        """How many items have a number, and the quantiles of these; none where all numbers are the same."""
        ranks = self.order if chosen.mask is None else list(compress(self.order, pick(self.order)(chosen.mask)))
        places = pick(ranks)(self.places)
        if not places or places[0] == places[-1]:
            return 0, []
        ends = {places[at - 1] for at in quantiles(len(places))} - {places[-1]}
        return len(places), [Cut(end, self.numbers[end], bisect_right(places, end)) for end in sorted(ends)]


@dataclass(frozen=True, slots=True)
class Frame:
    """Conditions on a field over some items, with how many items each holds for: blind to outcomes."""

    values: Sequence[tuple[int, int]]
    kinds: Sequence[tuple[str, int]]
    empty: int
    cuts: Sequence[tuple[Measured, int, Sequence[Cut]]]


@dataclass
class Column:
    """One field: `codes` has the number of each item's value, by the item's rank; 0 is a missing value."""

    name: str
    codes: list[int]
    numbers: dict[Atom, int] = field(default_factory=lambda: {MISSING: 0})
    by_type: dict[type, dict[Any, int]] = field(default_factory=lambda: {kind: {} for kind in SCALARS})

    def put(self, rank: int, value: Any) -> None:
        """Most values are met often: their number is found without their atom."""
        kept = self.by_type.get(type(value), {})
        try:
            self.codes[rank] = kept[value]
        except (KeyError, TypeError):
            self.codes[rank] = number = self.numbers.setdefault(atom_of(value), len(self.numbers))
            if type(value) in SCALARS:
                kept[value] = number

    def put_all(self, values: Sequence[Any]) -> None:
        """As `put` each; every value is met once."""
        distinct = dict.fromkeys(values)
        distinct.pop(ABSENT, None)
        first = len(self.numbers)
        self.numbers |= zip(map(atom_of, distinct), count(first))
        self.codes = list(map({ABSENT: 0, **dict(zip(distinct, count(first)))}.__getitem__, values))

    @cached_property
    def atoms(self) -> Sequence[Atom]:
        """By code."""
        return list(self.numbers)

    @cached_property
    def kinds(self) -> Sequence[str]:
        """By value."""
        return [kind for kind, _ in self.numbers]

    @cached_property
    def empty_codes(self) -> Sequence[int]:
        return [self.numbers[atom] for atom in EMPTY if atom in self.numbers]

    @cached_property
    def repeated(self) -> Sequence[int]:
        """The codes by rank, 0 for values that are compared with none: they stand once, or are no single values."""
        counts = Counter(self.codes)
        of_code = [code if counts[code] > 1 and kind not in NOT_COMPARED else 0 for code, kind in enumerate(self.kinds)]
        return [of_code[code] for code in self.codes]

    @cached_property
    def kinds_by_rank(self) -> Sequence[str]:
        return [self.kinds[code] for code in self.codes]

    @cached_property
    def measured(self) -> Sequence[Measured]:
        """Numbers and lengths, where two of them differ."""
        return list(self.measures())

    def measures(self) -> Iterator[Measured]:
        for measure, number_of in MEASURES.items():
            by_value = [number_of(atom) for atom in self.numbers]
            numbers = sorted({number for number in by_value if number is not None})
            if len(numbers) > 1:
                place_of = {number: place for place, number in enumerate(numbers)}
                places = [-1 if number is None else place_of[number] for number in by_value]
                by_rank = [places[code] for code in self.codes]
                order = sorted((rank for rank, at in enumerate(by_rank) if at >= 0), key=by_rank.__getitem__)
                yield Measured(measure, by_rank, numbers, order)

    def frame(self, chosen: Chosen) -> Frame:
        counts = Counter(chosen.of(self.repeated))
        often = [(code, n) for code, n in counts.items() if n > 1 and code]
        return Frame(
            values=sorted(often, key=lambda value: (-value[1], value[0]))[:MAX_VALUES],
            kinds=sorted(Counter(chosen.of(self.kinds_by_rank)).items()),
            empty=self.empty(Counter(chosen.of(self.codes))) if self.empty_codes else 0,
            cuts=[(measured, *measured.cuts(chosen)) for measured in self.measured],
        )

    def empty(self, counts: Counter[int]) -> int:
        return sum(counts[code] for code in self.empty_codes)

    @cached_property
    def whole(self) -> Frame:
        """Over all items that are at hand."""
        return self.frame(EVERYTHING)

    def tallies(self, frame: Frame, failed: Chosen) -> Iterator[Tally]:
        """Every condition on the field with its counts, equality first."""
        name, counts, kinds = self.name, Counter(failed.of(self.codes)), Counter(failed.of(self.kinds_by_rank))
        for code, n in frame.values:
            yield Tally(equal_condition, (name, self.atoms[code]), n, counts[code])
        yield Tally(empty_condition, (name,), frame.empty, self.empty(counts))
        for kind, n in frame.kinds:
            yield Tally(kind_condition, (name, kind), n, kinds[kind])
        for measured, whole, cuts in frame.cuts:
            yield from cut_tallies(name, measured, whole, cuts, failed)

    def holding(self, condition: Condition) -> frozenset[int]:
        """The numbers of the values for which it holds."""
        holds = condition.holds
        return frozenset(code for atom, code in self.numbers.items() if holds(atom))


def cut_tallies(name: str, measured: Measured, whole: int, cuts: Sequence[Cut], failed: Chosen) -> Iterator[Tally]:
    """At most, and more than, each of the cuts."""
    places = sorted(failed.of(measured.places)) if cuts else []
    without = bisect_right(places, -1)
    for cut in cuts:
        failing = bisect_right(places, cut.place) - without
        arguments = (name, measured.measure, cut.number)
        yield Tally(at_most_condition, arguments, cut.items, failing)
        yield Tally(more_than_condition, arguments, whole - cut.items, len(places) - without - failing)


@dataclass(frozen=True, slots=True)
class Table:
    """The columns, and the rank of each item in them."""

    columns: Mapping[str, Column]
    ranks: Mapping[int, int]
    items: Sequence[int]
    """By rank."""

    def chosen(self, items: Collection[int]) -> Chosen:
        ranks, mask = [self.ranks[item] for item in items], bytearray(len(self.ranks))
        for rank in ranks:
            mask[rank] = 1
        return Chosen(pick(ranks), mask)

    def covers(self, condition: Condition, items: Collection[int]) -> frozenset[int]:
        """Those of the items for which the condition holds."""
        column = self.columns[condition.field]
        holding = column.holding(condition)
        codes = pick([self.ranks[item] for item in items])(column.codes)
        return frozenset(item for item, code in zip(items, codes, strict=True) if code in holding)


def table_of(rows: Mapping[int, Mapping[str, Any]]) -> Table:
    """At most 500 fields of these items, whatever became of them."""
    items = sorted(rows)
    flat_rows = [flat_row(rows[item]) for item in items]
    names = islice(dict.fromkeys(chain.from_iterable(flat_rows)), MAX_FIELDS)
    ranks = {item: rank for rank, item in enumerate(items)}
    return Table({name: column_of(name, [row.get(name, ABSENT) for row in flat_rows]) for name in names}, ranks, items)


def flat_row(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """By field path; most rows are flat as they are."""
    if len(row) <= MAX_FIELDS and SCALARS.issuperset(map(type, row.values())):
        return row
    return dict(islice(leaves(row), MAX_FIELDS))


def column_of(name: str, values: Sequence[Any]) -> Column:
    """The values by rank, `ABSENT` where there is none."""
    column = Column(name, [0] * len(values))
    if are_told_apart(set(map(type, values))):
        column.put_all(values)
    else:
        for rank, value in enumerate(values):
            if value is not ABSENT:
                column.put(rank, value)
    return column


def are_told_apart(types: Set[type]) -> bool:
    """Whether two values of these types are equal only if they are of one type: 1 is True, and 1.0."""
    return types <= HASHED and len(types & NUMBERS) <= 1 and len(types & TEXTS) <= 1
