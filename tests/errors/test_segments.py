"""D1: hot stretches of items and of time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors.detectors import Stream, Summary
from errors.detectors.segments import highest, hot_ranges, hot_segments, hot_times, maximal

OTHERS = [17, 250, 733, 901, 999]


@pytest.mark.parametrize(
    ("total", "failed", "start", "end", "count", "score", "expected"),
    [
        (1000, [*range(400, 420), *OTHERS], 400, 419, 20, 73.5766, 4.45e-29),
        (1000, [*range(400, 460, 2), *OTHERS], 400, 458, 30, 60.7097, 1.72e-23),
        (100, list(range(10, 15)), 10, 14, 5, 14.928, 1.31e-4),
        (1000, list(range(500)), 0, 499, 500, 341.548, None),
    ],
)
def test_it_finds_the_segment(
    total: int, failed: list[int], start: int, end: int, count: int, score: float, expected: float | None
) -> None:
    (found,) = hot_segments(sorted(failed), total, 0.002)
    assert (found.start, found.end, found.failed) == (start, end, count)
    assert found.score == pytest.approx(score, abs=5e-4)
    if expected is not None:
        assert found.expected == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize(
    ("total", "failed"),
    [
        (100, [10, 11, 12, 50, 90]),
        (50, list(range(50))),
        (50, []),
        (1000, sorted(random.Random(12345).sample(range(1000), 50))),
    ],
    ids=["three in a row", "all", "none", "random"],
)
def test_it_finds_none(total: int, failed: list[int]) -> None:
    assert hot_segments(failed, total, 0.002) == []


def test_it_finds_two_at_once() -> None:
    failed = [*range(100, 120), *range(700, 730)]
    assert [(s.start, s.end) for s in hot_segments(failed, 2000, 0.002)] == [(100, 119), (700, 729)]


@given(st.lists(st.booleans(), max_size=40), st.floats(0.1, 3), st.floats(0.1, 3))
def test_the_best_maximal_segment_is_the_best_of_all(failures: list[bool], gain: float, loss: float) -> None:
    failed = [n for n, is_failed in enumerate(failures) if is_failed]
    scores = [gain if is_failed else -loss for is_failed in failures]
    best = max((sum(scores[a:z]) for a in range(len(scores)) for z in range(a + 1, len(scores) + 1)), default=0)
    found = maximal(failed, gain, -loss)
    if best > 0:
        assert max(score for *_, score in found) == pytest.approx(best)
        assert highest(failed, gain, -loss) == pytest.approx(best)
    assert all(one[1] < other[0] for one, other in pairwise(found))


def test_it_raises_few_false_alarms() -> None:
    chance = random.Random(1)
    clean = [sorted(chance.sample(range(1000), chance.randint(5, 300))) for _ in range(400)]
    assert sum(bool(hot_segments(failed, 1000, 0.01)) for failed in clean) <= 4


def test_it_says_how_the_stretch_differs() -> None:
    summary = Summary(1000, [Stream("any", sorted([*range(400, 420), *OTHERS]))])
    (found,) = hot_ranges(summary)
    assert (found.failed, found.size, found.others_failed, found.others) == (20, 20, 5, 980)
    assert found.llr == pytest.approx(85.5291, abs=5e-4)
    assert found.confidence == "strong"
    assert found.sentence == "20 of the 20 items from 400 to 419 failed (100%). Of the other 980, 5 failed (0.5%)."


def test_it_finds_a_hot_time_whose_items_are_scattered() -> None:
    order = list(range(1000))
    random.Random(3).shuffle(order)
    summary = Summary(1000, [Stream("any", sorted(order[200:240]))], order=order)
    assert hot_ranges(summary) == []
    (found,) = hot_times(summary)
    assert found.items == frozenset(order[200:240])
    assert (found.where["first"], found.where["last"]) == (order[200], order[239])


def test_it_puts_a_time_to_a_stretch_and_counts_what_came_after() -> None:
    failed = [*range(400, 420), 17, 250, 733, 901, 999]
    began = datetime(2026, 5, 3, 14, 2, 10, tzinfo=UTC)
    began_at = {n: began + timedelta(seconds=n - 400) for n in range(1000)}
    stream = Stream("network", sorted(failed))
    (found,) = hot_ranges(Summary(1000, [stream], started=began_at))
    assert (found.where["after"], found.where["after_failed"]) == (580, 3)
    assert found.also == ("14:02:10 to 14:02:29 UTC",)

    order = random.Random(7).sample(range(1000), 1000)
    late = {item: began + timedelta(seconds=rank - 400) for rank, item in enumerate(order)}
    scattered = Stream("network", sorted(order[rank] for rank in failed))
    (found,) = hot_times(Summary(1000, [scattered], order=order, started=late))
    assert found.text == "14:02:10 to 14:02:29 UTC"
    assert "items first tried from 14:02:10 to 14:02:29 UTC failed" in found.sentence
    assert found.where["after"] == 580


def test_what_looks_may_spend_adds_up_to_the_budget() -> None:
    streams = [Stream(str(n), []) for n in range(3)]
    once = Summary(10, streams).alpha
    looks = [Summary(10, streams, peek=k).alpha for k in range(1, 2_000)]
    assert once == pytest.approx(0.01 / 15)
    assert 0.99 * once < sum(looks) < once
