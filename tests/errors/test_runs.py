"""D2: runs of neighbours, and D3: clumped, scattered or alternating."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest

from errors.detectors import Stream, Summary
from errors.detectors.runs import long_runs, longest_run_tail, runs_of, scatter, scattered


@pytest.mark.parametrize(
    ("total", "failures", "run", "p"),
    [
        (20, 5, 3, 0.1404),
        (100, 5, 2, 0.1881),
        (100, 5, 3, 0.005937),
        (100, 5, 5, 1.275e-06),
        (100, 10, 3, 0.06681),
        (100, 10, 4, 0.004872),
        (1000, 50, 3, 0.1071),
        (1000, 50, 4, 0.005278),
        (100_000, 5_000, 6, 0.00148),
        (100_000, 5_000, 8, 3.691e-06),
    ],
)
def test_it_knows_how_likely_a_run_is(total: int, failures: int, run: int, p: float) -> None:
    assert longest_run_tail(total, failures, run) == pytest.approx(p, rel=5e-4)


def test_the_bound_is_close_and_above(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("errors.detectors.runs.EXACT_UP_TO", 0)
    assert longest_run_tail(100, 10, 4) == pytest.approx(0.004873, rel=5e-4)


@pytest.mark.parametrize("total", [8, 11])
def test_it_agrees_with_counting_every_case(total: int) -> None:
    for failures in range(1, total):
        longest = [
            max(sum(1 for _ in run) for run in (consecutive(chosen))) for chosen in combinations(range(total), failures)
        ]
        for run in range(1, failures + 1):
            exact = sum(one >= run for one in longest) / comb(total, failures)
            assert longest_run_tail(total, failures, run) == pytest.approx(exact)


def consecutive(chosen: tuple[int, ...]) -> list[list[int]]:
    found: list[list[int]] = []
    for position in chosen:
        if found and found[-1][-1] == position - 1:
            found[-1].append(position)
        else:
            found.append([position])
    return found


def test_it_lists_runs_of_three_and_more() -> None:
    assert [list(run) for run in runs_of([1, 2, 5, 6, 7, 9, 20, 21, 22, 23])] == [[5, 6, 7], [20, 21, 22, 23]]


def test_three_in_a_row_is_news_among_few_failures_only() -> None:
    (news,) = long_runs(Summary(100, [Stream("any", [10, 11, 12, 13, 50])]))
    (chance,) = long_runs(Summary(1000, [Stream("any", sorted([10, 11, 12, *range(20, 980, 21)]))]))
    assert (news.confidence, news.text) == ("weak", "4 in a row from 10")
    assert chance.by_chance
    assert chance.p > 0.05


@pytest.mark.parametrize(
    ("outcomes", "count", "mean", "variance", "z"),
    [
        ("01" * 20, 40, 21, 9.7436, 5.9267),
        ("1" * 20 + "0" * 20, 2, 21, 9.7436, -5.9267),
        ("1101000110", 6, 6, 2.2222, 0),
    ],
)
def test_it_tells_clumped_from_alternating(outcomes: str, count: int, mean: float, variance: float, z: float) -> None:
    found = scatter([n for n, outcome in enumerate(outcomes) if outcome == "1"], len(outcomes))
    assert found is not None
    assert (found.runs, found.mean) == (count, mean)
    assert found.variance == pytest.approx(variance, abs=5e-5)
    assert found.z == pytest.approx(z, abs=5e-5)


def test_it_says_so_where_there_is_enough_to_say() -> None:
    assert "together" in scattered(range(20), 40)
    assert "alternate" in scattered(range(0, 40, 2), 40)
    assert scattered(range(10), 100) == ""
    assert scattered([], 100) == ""
