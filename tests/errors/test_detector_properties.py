"""All detectors together: what is planted is found, what is shuffled is not, whatever the seed."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors.detectors import Finding, Stream, Summary, find
from errors.detectors.conditions import Word

BATCHES = 60
"""Clean batches an example. One raises a false alarm with a chance of 1 %; more than 5 of them with one of 1:20,000."""

seeds = st.integers(0, 2**32)
few = settings(max_examples=8, deadline=None, derandomize=True)


def rows_of(total: int, chance: random.Random) -> dict[int, dict[str, Any]]:
    hosts = [Word(name) for name in ("left", "right", "middle")]
    return {
        n: {
            "country": chance.choice(["DE", "FR", "IT", "ES", "PL"]),
            "amount": chance.randrange(1000),
            "attempt's host": chance.choice(hosts),
        }
        for n in range(total)
    }


def seen(total: int, failed: set[int], chance: random.Random, rows: Any = None, order: Any = None) -> list[Finding]:
    rows = rows_of(total, chance) if rows is None else rows
    summary = Summary(total, [Stream("any", sorted(failed))], order=order, rows=rows, sizes=[10])
    return [one for one in find(summary) if not one.by_chance]


def shuffled(total: int, chance: random.Random) -> list[int]:
    return chance.sample(range(total), total)


@few
@given(seeds)
@pytest.mark.full
def test_what_is_exchangeable_raises_at_most_the_budgeted_alarms(seed: int) -> None:
    chance, alarms = random.Random(seed), 0
    for _ in range(BATCHES):
        total = chance.randint(60, 600)
        failed = set(chance.sample(range(total), chance.randint(5, total // 3)))
        alarms += bool(seen(total, failed, chance, order=shuffled(total, chance)))
    assert alarms <= 5


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seeds, st.integers(30, 900), st.integers(20, 60))
def test_a_planted_range_is_found_where_it_is(seed: int, start: int, size: int) -> None:
    chance = random.Random(seed)
    base = {n for n in range(1000) if chance.random() < 0.01}
    planted = {n for n in range(start, start + size) if chance.random() < 0.9}
    best = seen(1000, base | planted, chance)[0]
    assert len(best.items & planted) >= 0.9 * len(planted)
    assert len(best.items - planted) <= 3


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seeds, st.integers(3, 40))
@pytest.mark.full
def test_a_planted_period_is_found(seed: int, period: int) -> None:
    chance = random.Random(seed)
    residue = chance.randrange(period)
    base = {n for n in range(1600) if chance.random() < 0.01}
    planted = {n for n in range(residue, 1600, period) if chance.random() < 0.7}
    best = seen(1600, base | planted, chance)[0]
    assert best.where["period"] == period
    assert best.where["residue"] == residue


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seeds, st.sampled_from(["country", "amount", "attempt's host"]))
@pytest.mark.full
def test_a_planted_attribute_is_found(seed: int, field: str) -> None:
    chance = random.Random(seed)
    rows = rows_of(1000, chance)
    bad: Any = {
        "country": lambda row: row["country"] == "DE",
        "amount": lambda row: row["amount"] > 800,
        "attempt's host": lambda row: row["attempt's host"] == "left",
    }[field]
    planted = {n for n, row in rows.items() if bad(row) and chance.random() < 0.4}
    base = {n for n in range(1000) if chance.random() < 0.01}
    best = seen(1000, base | planted, chance, rows=rows)[0]
    assert best.where["fields"][0] == field


def of_some(positions: list[int], failed: set[int], rows: Any) -> list[Finding]:
    """What is seen of a batch in which only these items have an outcome."""
    known = {position: rows[position] for position in positions}
    summary = Summary(len(positions), [Stream("any", sorted(failed))], rows=known, sizes=[10], positions=positions)
    return [one for one in find(summary) if not one.by_chance]


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seeds, st.floats(0.001, 0.7), st.sampled_from(["range", "attribute"]))
def test_whatever_waits_a_cause_is_found_as_in_a_batch_of_the_others(seed: int, share: float, cause: str) -> None:
    chance = random.Random(seed)
    rows = rows_of(1000, chance)
    is_bad = {"range": lambda n: 400 <= n < 470, "attribute": lambda n: rows[n]["country"] == "DE"}[cause]
    failing = {n for n in rows if chance.random() < (0.8 if is_bad(n) else 0.01)}
    positions = [n for n in rows if chance.random() >= share]
    failed = failing.intersection(positions)
    among = of_some(positions, failed, rows)
    ranks = {n: rank for rank, n in enumerate(positions)}
    alone = seen(len(positions), {ranks[n] for n in failed}, chance, rows={ranks[n]: rows[n] for n in positions})
    alone_by_position = [frozenset(positions[rank] for rank in one.items) for one in alone if one.detector != "period"]
    assert [one.items for one in among if one.detector != "period"] == alone_by_position
    assert among
    assert len(among[0].items & {n for n in failed if is_bad(n)}) >= 0.9 * sum(is_bad(n) for n in failed)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seeds, st.floats(0.001, 0.6), st.integers(3, 40))
@pytest.mark.full
def test_whatever_waits_a_period_is_found(seed: int, share: float, period: int) -> None:
    chance = random.Random(seed)
    residue = chance.randrange(period)
    failing = {n for n in range(3200) if chance.random() < (0.8 if n % period == residue else 0.01)}
    positions = [n for n in range(3200) if chance.random() >= share]
    best = of_some(positions, failing.intersection(positions), {n: {} for n in range(3200)})[0]
    assert (best.where["period"], best.where["residue"]) == (period, residue)
    assert best.size == sum(n % period == residue for n in positions)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(seeds)
@pytest.mark.full
def test_what_waits_raises_no_alarms(seed: int) -> None:
    chance, alarms = random.Random(seed), 0
    for _ in range(BATCHES):
        total = chance.randint(60, 600)
        rows, share = rows_of(total, chance), chance.random() / 2
        positions = [n for n in range(total) if chance.random() >= share] or [0]
        failed = set(chance.sample(positions, min(len(positions), chance.randint(5, total // 3))))
        alarms += bool(of_some(positions, failed, rows))
    assert alarms <= 5


ODD: list[Any] = [
    {str(n): n for n in range(10_000)},
    {"a": [[[[1]]]], "b": {"c": {"d": {"e": {"f": 1}}}}},
    {"a": 10**400, "b": -(10**400), "c": 1e308, "d": "NaN", "e": "inf", "f": "1e999", "g": "٣", "h": "1_0"},
    {f"{n}{'x' * n}": [n] * n for n in range(100)},
    {"": "", " ": " ", "\x00": "\x00", "\ud800": "\ud800", "a.b": 1, "a": {"b": 2}},
    {"a": True, "b": "True", "c": 1, "d": 1.0, "e": None, "f": "x" * 100_000},
    {},
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_a_payload_of_any_shape_is_looked_at(odd: dict[str, Any]) -> None:
    rows = {n: odd if n % 4 == 0 else {"a": n, "b": [n]} for n in range(80)}
    found = find(Summary(80, [Stream("any", list(range(0, 80, 4)))], rows=rows))
    assert found
    assert all(one.sentence for one in found)
