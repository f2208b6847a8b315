"""Verdicts, targets, kinds and predictions: the worked values."""

from __future__ import annotations

from typing import Any

import pytest

from batches.proportions import wilson
from errors.advice.concurrency import concurrency_target
from errors.advice.evidence import Evidence
from errors.advice.facts import GroupFacts
from errors.advice.predictions import group_recoveries, recoveries
from errors.advice.problems import Label, TwoKinds, prior_kinds, problem, two_kinds
from errors.advice.recurring import is_dominant, is_recurring, spike
from errors.advice.timeouts import timeout_verdict, verdict_of


@pytest.mark.parametrize(
    ("durations", "timeouts", "kind", "share"),
    [
        ([1.0] * 100 + [6.0] * 500 + [12.0] * 150, 50, "tight", 0.75),
        ([1.0] * 900, 50, "hang", 0.0),
        ([1.0] * 900, 0, "hang", 0.0),
    ],
)
def test_it_says_whether_twice_the_time_would_help(
    durations: list[float], timeouts: int, kind: str, share: float
) -> None:
    found = timeout_verdict(durations, timeouts, 20.0)
    assert (found.kind, found.share) == (kind, pytest.approx(share))


def test_it_sees_a_share_that_never_ends() -> None:
    found = verdict_of(0.85, 0.25, 0.10)
    assert (found.kind, found.share, found.never) == ("mixed", pytest.approx(0.375), pytest.approx(0.05))


def test_it_keeps_below_the_plateau() -> None:
    assert concurrency_target([600, 590, 640], 1.5) == 13
    assert (concurrency_target([], 1.5), concurrency_target([600], 0)) == (None, None)


def test_it_needs_history_to_see_a_spike() -> None:
    steady = [0.005] * 6
    assert [spike(9, 1000, steady), spike(12, 1000, steady), spike(12, 1000, steady[:3])] == ["no", "yes", "undecided"]


def test_it_knows_what_recurs_and_what_rules() -> None:
    assert [is_recurring(n) for n in (2, 3)] == [False, True]
    assert [is_dominant(2, 2), is_dominant(1, 2), is_dominant(50, 100), is_dominant(40, 100)] == [
        True,
        False,
        True,
        False,
    ]


def test_it_tells_permanent_failures_from_passing_ones() -> None:
    kinds = two_kinds(1000, 580, 454)
    assert kinds is not None
    assert (kinds.permanent, kinds.again) == (pytest.approx(0.4), pytest.approx(0.3))
    assert kinds.is_permanent(3) == pytest.approx(0.8811, abs=1e-4)
    assert kinds.next_works(3) == pytest.approx(0.0833, abs=1e-4)
    assert two_kinds(29, 20, 10) is None
    assert two_kinds(100, 100, 100) == TwoKinds(1.0, 1.0)


@pytest.mark.parametrize(
    ("category", "different", "succeeded", "crashes", "label"),
    [
        ("validation", 1, False, 0, "poison"),
        ("validation", 2, False, 0, "shape-shifter"),
        ("validation", 1, True, 0, "flaky"),
        ("crash", 1, False, 2, "crasher"),
        ("network", 1, False, 0, "unclear"),
    ],
)
def test_it_labels_items(category: str, different: int, succeeded: bool, crashes: int, label: Label) -> None:
    found = problem("k", 3, different, prior_kinds(category), succeeded=succeeded, crashes=crashes)
    assert found.label == label


@pytest.mark.parametrize(
    ("waiting", "worked", "tried", "expected"), [(200, 31, 40, (129, 155, 178)), (150, 0, 20, (0, 0, 11))]
)
def test_it_predicts_from_past_retries(waiting: int, worked: int, tried: int, expected: tuple[int, int, int]) -> None:
    found = recoveries(waiting, worked, tried, "")
    assert (found.low, found.mid, found.high) == expected


@pytest.mark.parametrize("category", ["network", "timeout", "auth", "resource", "unknown", "crash"])
def test_without_evidence_nothing_is_known_and_it_says_so(category: str) -> None:
    predicted = group_recoveries(GroupFacts("f", "t", category, 100, 100))
    assert (predicted.low, predicted.mid, predicted.high) == (0, None, 100)
    assert predicted.basis.startswith("not known yet")


def group_of(items: int, category: str = "network", **evidence: Any) -> GroupFacts:
    return GroupFacts("f", "t", category, items, items, evidence=Evidence(**evidence))


def test_what_failed_again_is_not_said_to_pass_as_often() -> None:
    """49 of 100 passed: the other 51 may be those that never do."""
    predicted = group_recoveries(group_of(51, rounds=[(100, 49)], waiting=[0, 51]))
    assert (predicted.low, predicted.mid, predicted.high) == (0, None, 51)
    flaky = group_recoveries(group_of(35, rounds=[(100, 50), (50, 25)], waiting=[0, 0, 25]))
    assert flaky.mid is not None
    assert 0 < flaky.low < flaky.high < 35
    never = group_recoveries(group_of(50, rounds=[(100, 50), (50, 0)], waiting=[0, 0, 50]))
    assert never.high < 10


def test_none_of_those_that_were_retried_tells_of_the_rest() -> None:
    assert group_recoveries(group_of(100, rounds=[(40, 0)], waiting=[60, 40])).high <= 20


def test_what_is_known_of_a_part_stands_beside_what_is_not() -> None:
    predicted = group_recoveries(group_of(60, rounds=[(40, 30)], waiting=[50, 10]))
    assert predicted.mid is None
    assert (predicted.low > 20, predicted.high > 50) == (True, True)


@pytest.mark.parametrize(
    ("category", "attempts", "high"),
    [("unknown", [(100, 0), (100, 0)], 5), ("network", [(100, 0), (100, 0)], 50), ("unknown", [(100, 50)], 50)],
)
def test_automatic_attempts_are_retries_too(category: str, attempts: list[tuple[int, int]], high: int) -> None:
    assert group_recoveries(group_of(50, category, attempts=attempts)).high <= high


def test_steady_attempts_promise_a_share() -> None:
    predicted = group_recoveries(group_of(200, "unknown", attempts=[(1000, 300), (700, 210)]))
    assert predicted.mid is not None
    assert predicted.low > 80


def test_earlier_batches_tell_as_far_as_they_agree() -> None:
    alike = group_recoveries(group_of(100, earlier=[(50, 48), (40, 39), (100, 97)]))
    apart = group_recoveries(group_of(100, earlier=[(50, 48), (40, 2), (100, 50)]))
    assert alike.low > 60
    assert (apart.low, apart.mid, apart.high) == (0, None, 100)
    assert apart.basis.startswith("not known yet: retries of such errors came out too differently")
    assert group_recoveries(group_of(100, earlier=[(50, 48), (40, 39)])).mid is None


def test_the_interval_is_that_of_the_outcome() -> None:
    """However well a share is known, so many items stray from it."""
    share_known = recoveries(100, 5_000, 10_000, "")
    assert share_known.high - share_known.low >= 20


@pytest.mark.parametrize(("worked", "low", "high"), [(20, 0.839, 1.0), (18, 0.699, 0.972), (10, 0.299, 0.701)])
def test_a_canary_of_twenty_says_this_much(worked: int, low: float, high: float) -> None:
    assert wilson(worked, 20) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))
