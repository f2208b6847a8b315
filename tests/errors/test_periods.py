"""D4: every m-th item."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from errors.detectors import Stream, Summary
from errors.detectors.periods import PERIODS, USUAL_SIZES, best_period, periodic, residues

ALPHA = 0.002


def test_it_finds_every_seventh() -> None:
    found = best_period([n for n in range(700) if n % 7 == 3], 700, ALPHA)
    assert found is not None
    assert (found.period, found.residue, found.failed, found.size) == (7, 3, 100, 100)
    assert found.llr == pytest.approx(287.0814, abs=5e-4)
    assert found.p == pytest.approx(1.01e-120, rel=5e-3)


def test_it_finds_a_period_that_stops_half_way() -> None:
    failed = sorted({*(n for n in range(350) if n % 7 == 3), 5, 111, 222, 444})
    found = best_period(failed, 700, ALPHA)
    assert found is not None
    assert (found.period, found.residue, found.failed, found.size) == (7, 3, 51, 100)


def test_it_finds_the_last_of_each_chunk() -> None:
    found = best_period(range(99, 1000, 100), 1000, ALPHA, sizes=[100])
    assert found is not None
    assert (found.period, found.residue, found.failed, found.size) == (100, 99, 10, 10)
    assert found.llr == pytest.approx(56.0015, abs=5e-4)
    assert found.p == pytest.approx(8.27e-21, rel=5e-3)


def test_it_prefers_the_period_to_its_multiples() -> None:
    found = best_period(range(0, 60, 2), 60, ALPHA)
    assert found is not None
    assert (found.period, found.residue) == (2, 0)


NONE = {"block": range(400, 460), "all": range(1000), "none": [], "few": [0, 7, 14, 21]}


@pytest.mark.parametrize("failed", NONE.values(), ids=NONE)
def test_it_finds_none(failed: list[int]) -> None:
    assert best_period(failed, 1000, ALPHA) is None


@pytest.mark.full
def test_it_raises_few_false_alarms() -> None:
    chance = random.Random(2)
    clean = [sorted(chance.sample(range(1000), chance.randint(5, 300))) for _ in range(400)]
    assert sum(best_period(failed, 1000, 0.01) is not None for failed in clean) <= 4


@pytest.mark.parametrize(
    ("period", "residue", "text"),
    [
        (20, 0, "every 20th item, the first of each 20"),
        (100, 99, "every 100th item, the last of each 100"),
        (7, 3, "every 7th item, from 3"),
    ],
)
def test_it_says_which(period: int, residue: int, text: str) -> None:
    failed = list(range(residue, 2000, period))
    (found,) = periodic(Summary(2000, [Stream("any", failed)], sizes=[100]))
    assert found.text == text
    assert found.items == frozenset(failed)


def test_it_counts_the_residues_of_each_period() -> None:
    failed = sorted(random.Random(3).sample(range(50_000), 4_000))
    periods = sorted({*PERIODS, *USUAL_SIZES, 7_919})
    counted = dict(residues(failed, periods))
    assert counted == {period: Counter(n % period for n in failed) for period in periods}
