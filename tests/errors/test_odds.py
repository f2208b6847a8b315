"""The odds of a retry: how wide an interval must be, and what is read out of earlier tries."""

from __future__ import annotations

import random
from typing import Any

import pytest

from batches.canary_sizes import canary_of, suggested_canary
from errors.advice.agreement import share_of_units
from errors.advice.evidence import Evidence
from errors.advice.facts import Prediction
from errors.advice.posterior import (
    EXACT_UP_TO,
    MASS,
    Share,
    beta_below,
    beta_density,
    chances,
    outcome_of_shares,
    quantile,
)
from errors.advice.predictions import recoveries_of
from errors.advice.survivors import shares_after

pytestmark = pytest.mark.any_database

SHARES = [
    [Share(0.5, 100.5)],
    [Share(30.0, 12.0)],
    [Share(200.0, 0.7)],
    [Share(60.0, 60.0, 0.7), Share(1.0, 80.0, 0.3)],
]


@pytest.mark.parametrize("shares", SHARES, ids=["hardly any", "most", "nearly all", "two kinds"])
def test_it_spans_nine_tenths_of_what_may_come_and_no_more(shares: list[Share]) -> None:
    chance = chances(100, shares)
    low, mid, high = outcome_of_shares(100, shares)
    inside = sum(chance[low : high + 1])
    assert sum(chance) == pytest.approx(1)
    assert inside >= MASS
    assert low <= mid <= high
    if low < high:
        assert inside - min(chance[low], chance[high]) < MASS


@pytest.mark.parametrize("shares", SHARES, ids=["hardly any", "most", "nearly all", "two kinds"])
def test_many_items_are_reckoned_like_few(shares: list[Share]) -> None:
    few, many = outcome_of_shares(EXACT_UP_TO, shares), outcome_of_shares(EXACT_UP_TO + 1, shares)
    assert many == pytest.approx(few, abs=0.02 * EXACT_UP_TO)


def test_a_very_well_known_share_has_an_interval_of_many_items() -> None:
    """The chance that none of them passes is too small for a number."""
    low, mid, high = outcome_of_shares(400, [Share(90_000.0, 10_000.0)])
    assert (low > 345, mid, high < 375) == (True, 360, True)


def predicted(items: int, category: str = "network", **evidence: Any) -> Prediction:
    return recoveries_of(category, items, Evidence(**evidence))


def test_all_automatic_attempts_tell_of_the_next_ones() -> None:
    """Three more attempts, 30 % each: 50 of 76 pass."""
    expected = predicted(76, attempts=[(154, 46), (108, 32)])
    assert expected.low <= 50 <= expected.high
    assert expected.high - expected.low < 0.4 * 76


def test_earlier_batches_in_which_hardly_any_passed_promise_none() -> None:
    expected = predicted(100, earlier=[(120, 0), (90, 3), (110, 0), (80, 4)])
    assert expected.low == 0
    assert expected.high <= 15


def test_earlier_batches_that_differ_by_luck_alone_are_as_one() -> None:
    alike = predicted(100, earlier=[(100, 70), (80, 58), (120, 82), (90, 61)])
    assert 55 <= alike.low <= 70 <= alike.high <= 82
    apart = share_of_units(((100, 95), (80, 20), (120, 60), (90, 40)))
    assert apart.whole < 20


def test_three_batches_that_agree_by_luck_promise_little() -> None:
    """Whole batches differ by a tenth, and only those are spoken of that came out alike."""
    chance, held, compared = random.Random(40_127), 0, 0
    for _ in range(800):
        usual = chance.uniform(0.2, 0.8)
        outcomes = [retried(chance, chance.gauss(usual, 0.1)) for _ in range(4)]
        items, came = outcomes.pop()
        expected = predicted(items, earlier=outcomes)
        if expected.mid is not None:
            compared, held = compared + 1, held + (expected.low <= came <= expected.high)
    assert compared > 200
    assert held >= 0.79 * compared  # as if any spread were as likely: 0.77
    assert width_of([(100, 50)] * 3) >= 30 > 25 >= width_of([(100, 50)] * 12)


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.25])
def test_a_canary_beside_earlier_batches_tells_more_where_those_agree_and_no_less_where_they_differ(
    spread: float,
) -> None:
    """The interval is narrower by a quarter at least, or no wider, and holds as often as it says."""
    chance, held, compared = random.Random(7_214), 0, 250
    alone, beside = [], []
    for _ in range(compared):
        *earlier, (items, came) = (retried(chance, chance.uniform(0.5 - spread, 0.5 + spread)) for _ in range(9))
        first = retried_of(20, chance, came / items)
        rest = items - 20
        one = predicted(rest, rounds=[first], waiting=[rest])
        both = predicted(rest, rounds=[first], waiting=[rest], earlier=earlier)
        alone.append((one.high - one.low) / rest)
        beside.append((both.high - both.low) / rest)
        held += both.low <= retried_of(rest, chance, came / items)[1] <= both.high
    assert held >= 0.87 * compared
    assert sum(beside) <= (0.75 if spread < 0.2 else 1.0) * sum(alone)


def test_a_canary_that_differs_from_earlier_batches_is_what_is_gone_by() -> None:
    expected = predicted(100, rounds=[(40, 1)], waiting=[100], earlier=[(100, 95), (120, 113), (90, 86)])
    assert expected.high <= 20
    assert expected.basis == (
        "1 of 40 came right when they were retried before, "
        "and 294 of 310 came right in 3 retries of this error in earlier batches"
    )


def retried_of(tried: int, chance: random.Random, share: float) -> tuple[int, int]:
    return tried, sum(chance.random() < share for _ in range(tried))


def width_of(earlier: list[tuple[int, int]]) -> int:
    expected = predicted(100, earlier=earlier)
    return expected.high - expected.low


def retried(chance: random.Random, share: float) -> tuple[int, int]:
    return retried_of(chance.randint(60, 160), chance, share)


def test_two_tries_tell_one_kind_from_two() -> None:
    """As many pass at the second try, or those that can are gone."""
    alike, divided = shares_after(((100, 30), (70, 21)))
    assert alike.weight > divided.weight
    alike, divided = shares_after(((100, 50), (50, 1)))
    assert divided.weight > 0.99
    assert divided.a / divided.whole < 0.05


def test_after_one_try_both_kinds_are_likely_and_it_is_not_known() -> None:
    assert predicted(50, rounds=[(100, 50)], waiting=[0, 50]).mid is None


def test_steady_automatic_attempts_say_that_what_failed_again_is_of_one_kind() -> None:
    expected = predicted(50, rounds=[(100, 50)], waiting=[0, 50], attempts=[(400, 120), (280, 84)])
    assert expected.mid is not None
    assert expected.low > 10


@pytest.mark.parametrize("passed", [5, 50, 90])
def test_a_quantile_takes_a_few_looks_at_the_distribution(passed: int) -> None:
    """A page has up to seventeen of them for each of its groups."""
    share = Share(0.5 + passed, 100.5 - passed)
    looks: list[float] = []

    def below(x: float) -> float:
        looks.append(x)
        return beta_below(x, share.a, share.b)

    for at in (0.05, 0.5, 0.95):
        looks.clear()
        place = quantile(below, lambda x: beta_density(x, share.a, share.b), at)
        assert beta_below(place, share.a, share.b) == pytest.approx(at, abs=1e-6)
        assert len(looks) <= 15  # by halving: 40


def test_the_largest_canary_tells_of_the_rest_to_a_fifth() -> None:
    """Of 2,000 items half pass: after 20, two fifths of them may come or not."""
    few, proposed = (predicted(2_000 - n, rounds=[(n, n // 2)], waiting=[2_000 - n]) for n in (20, canary_of(2_000)))
    assert few.high - few.low > 0.3 * 1_980
    assert proposed.high - proposed.low <= 0.2 * 1_880


@pytest.mark.parametrize(
    ("items", "canary"), [(1, 20), (200, 20), (201, 20), (450, 45), (1_200, 120), (1_000_000, 120)]
)
def test_a_canary_is_a_tenth_of_the_items(items: int, canary: int) -> None:
    assert canary_of(items) == canary


@pytest.mark.parametrize(
    ("items", "basis"), [(20, "so far"), (30, "a canary of 20 would tell"), (500, "a canary of 50 would tell")]
)
def test_what_is_not_known_yet_says_what_would_tell(items: int, basis: str) -> None:
    assert predicted(items).basis.endswith(basis)


def test_fewer_must_recover_of_a_canary_that_was_chosen_smaller() -> None:
    assert suggested_canary(1_000, 1_000) == (100, 80)
    assert suggested_canary(1_000, 1_000, chosen=20) == (20, 16)
    assert suggested_canary(1_000, 1_000, chosen=1) == (1, 1)
