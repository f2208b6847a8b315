"""The detectors' arithmetic, against worked values, brute force and SciPy."""

from __future__ import annotations

import random
from math import comb

import pytest

from batches.proportions import wilson
from errors.detectors.statistics import llr, tail


@pytest.mark.parametrize(
    ("c", "n", "failures", "total", "value"),
    [(20, 20, 25, 1000, 85.5291), (40, 50, 42, 1000, 134.9043), (10, 10, 10, 1000, 56.0015)],
)
def test_it_has_kulldorffs_ratio(c: int, n: int, failures: int, total: int, value: float) -> None:
    assert llr(c, n, failures, total) == pytest.approx(value, abs=5e-5)


def test_a_part_like_the_whole_has_a_ratio_of_nothing() -> None:
    assert llr(5, 50, 100, 1000) == pytest.approx(0, abs=1e-9)
    assert llr(0, 0, 0, 10) == 0


@pytest.mark.parametrize(("total", "failures", "n"), [(10, 4, 5), (30, 7, 20), (12, 12, 3), (9, 0, 4), (50, 40, 45)])
def test_the_tail_is_exact_on_both_sides_of_the_mean(total: int, failures: int, n: int) -> None:
    for c in range(n + 2):
        exact = sum(comb(failures, k) * comb(total - failures, n - k) for k in range(c, n + 1)) / comb(total, n)
        assert tail(c, total, failures, n) == pytest.approx(exact, rel=1e-9, abs=1e-15)


@pytest.mark.full
def test_the_tail_agrees_with_scipy() -> None:
    from scipy.stats import hypergeom  # two seconds of whoever runs this, not of whoever collects it

    chance = random.Random(7)
    for _ in range(1_000):
        total = chance.randint(10, 5000)
        failures, n = chance.randint(1, total), chance.randint(1, total)
        c = chance.randint(max(0, n + failures - total), min(n, failures))
        assert tail(c, total, failures, n) == pytest.approx(
            hypergeom.sf(c - 1, total, failures, n), rel=1e-9, abs=1e-300
        )


def test_it_is_fishers_one_sided_test() -> None:
    from scipy.stats import fisher_exact  # as above

    here, elsewhere = [40, 10], [2, 948]
    assert tail(40, 1000, 42, 50) == pytest.approx(fisher_exact([here, elsewhere], alternative="greater").pvalue)


@pytest.mark.parametrize(
    ("c", "n", "low", "high"),
    [(81, 1000, 0.0656, 0.0996), (20, 20, 0.839, 1), (18, 20, 0.699, 0.972), (10, 20, 0.299, 0.701), (0, 0, 0, 1)],
)
def test_it_has_wilsons_interval(c: int, n: int, low: float, high: float) -> None:
    assert wilson(c, n) == pytest.approx((low, high), abs=5e-4)
