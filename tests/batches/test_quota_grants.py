"""How a quota is divided: never more than its size, and nobody is left out."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from batches.lanes.quota_grants import Grant, Limits, Request, Share, grant

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def holding(slots: int, since: float = 0.0) -> Share:
    return Share(slots, False, at(since))


def waiting(since: float) -> Share:
    return Share(0, True, at(since))


def slots(limits: Limits, own: Share | None, *others: Share, running: int = 0, wished: int = 8, now: float = 0) -> int:
    return grant(limits, Request(running, running + wished, wished), own, others, None, at(now)).slots


def test_slots_are_divided_evenly_and_none_is_taken_from_an_item_that_runs() -> None:
    four = Limits(concurrent=4)
    assert slots(four, None) == 4
    assert slots(four, None, holding(4)) == 0
    assert slots(four, holding(4), waiting(1), running=4, now=1) == 4
    assert slots(four, holding(4), waiting(1), running=1, now=1) == 2
    assert slots(four, waiting(1), holding(2), now=2) == 2
    assert slots(four, holding(2), holding(1), wished=1) == 1


def test_of_more_lanes_than_slots_the_one_that_waited_longest_is_next() -> None:
    one = Limits(concurrent=1)
    assert slots(one, holding(1), waiting(0.1), waiting(0.2), now=1.9) == 1
    assert slots(one, holding(1), waiting(0.1), waiting(0.2), now=2.1) == 0
    assert slots(one, waiting(0.2), waiting(0.1), waiting(2.1), now=2.2) == 0
    assert slots(one, waiting(0.1), waiting(0.2), waiting(2.1), now=2.2) == 1


def test_half_a_quota_is_never_nothing() -> None:
    assert Limits(1, 0.5).halved() == Limits(1, 0.25)
    assert Limits(5, None).halved() == Limits(2, None)


@dataclass
class Lane:
    """One that asks several times a second, as `QuotaShare` does."""

    in_turn: bool
    own: Share | None = None
    items: int = 0
    running: list[float] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    ask_at: float = 0.0


def simulated(limits: Limits, lanes: list[Lane], seconds: float, item_seconds: float, seed: int) -> None:
    """Lanes that ask, begin and end items; checks at every moment that no more run than may."""
    draw, free_at, now = random.Random(seed), None, 0.0
    while now < seconds:
        lane = min(lanes, key=lambda lane: lane.ask_at)
        now = max(now, lane.ask_at)
        for each in lanes:
            each.running = [end for end in each.running if end > now]
        others = [each.own for each in lanes if each is not lane and each.own is not None]
        wished = 10 if lane.in_turn else 8 - len(lane.running)
        request = Request(len(lane.running), 1 if lane.in_turn else 8, wished, in_turn=lane.in_turn)
        granted: Grant = grant(limits, request, lane.own, others, free_at, at(now))
        free_at = granted.free_at
        waits = not granted.items and not lane.running
        since = lane.own.since if lane.own is not None and lane.own.waits == waits else at(now)
        lane.own = Share(granted.slots, waits, since)
        took = item_seconds * draw.uniform(0.5, 1.5)
        if lane.in_turn:
            lane.begun += [now + granted.seconds + n * took for n in range(granted.items)]
            lane.ask_at = now + (granted.seconds + granted.items * took if granted.items else 0.2)
            lane.running = [lane.ask_at - 1e-9] * (granted.items > 0)
        else:
            lane.begun += [now + granted.seconds] * granted.items
            lane.running += [now + granted.seconds + took] * granted.items
            lane.ask_at = now + draw.uniform(0.02, 0.2)
        if limits.concurrent is not None:
            assert sum(len(each.running) for each in lanes) <= limits.concurrent


@pytest.mark.parametrize("in_turn", [True, False])
@pytest.mark.parametrize("limits", [Limits(1), Limits(3), Limits(4, 5.0), Limits(None, 0.5), Limits(2, 3.0)])
@pytest.mark.full
def test_no_lane_is_left_out_and_the_quota_holds_at_every_moment(limits: Limits, in_turn: bool) -> None:
    for seed in range(5):
        lanes = [Lane(in_turn) for _ in range(5)]
        simulated(limits, lanes, 120, 0.3, seed)
        counts = sorted(sum(moment <= 120 for moment in lane.begun) for lane in lanes)
        assert counts[0] >= 0.4 * counts[-1], counts
        if limits.per_second is not None:
            burst = max(1.0, limits.per_second / 2)
            assert 0.95 * limits.per_second * 120 <= sum(counts) <= limits.per_second * 120 + burst


def test_in_no_second_more_begin_than_the_rate_and_half_a_second_more() -> None:
    lanes = [Lane(in_turn=False) for _ in range(4)]
    simulated(Limits(None, 20.0), lanes, 30, 0.01, 3)
    begun = sorted(moment for lane in lanes for moment in lane.begun)
    most = max(sum(start <= moment < start + 1 for moment in begun) for start in begun)
    assert most <= 20 + 10 + 1
    assert len(begun) >= 0.9 * 30 * 20
