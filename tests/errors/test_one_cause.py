"""One finding for one cause: parts and views of it are no findings of their own, and no other cause is lost."""

from __future__ import annotations

import random

import pytest

from errors.detectors import Finding, Stream, Summary, find

TOTAL = 1_000


def seen(summary: Summary) -> list[Finding]:
    return [finding for finding in find(summary) if not finding.by_chance]


def some(items: object, share: float, seed: int) -> set[int]:
    chance = random.Random(seed)
    return {n for n in items if chance.random() < share}  # type: ignore[attr-defined]


def streams_of(**kinds: set[int]) -> list[Stream]:
    every = sorted(set[int]().union(*kinds.values()))
    return [Stream("any", every), *(Stream(name, sorted(failed)) for name, failed in kinds.items())]


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_outage_that_lets_some_through_is_one_finding(share: float, seed: int) -> None:
    down = some(range(300, 400), share, seed)
    noise = some(set(range(TOTAL)) - down, 0.02, seed + 10)
    (finding,) = seen(Summary(TOTAL, streams_of(network=down, validation=noise)))
    assert len(finding.items & down) >= 0.9 * len(down)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_windows_and_chunks_of_a_worker_are_parts_of_it(seed: int) -> None:
    workers = {n: f"w{n // 10 * 7 % 4}" for n in range(TOTAL)}
    rows = {n: {"attempt's worker": workers[n], "attempt's chunk": str(n // 10)} for n in range(TOTAL)}
    bad = some([n for n in range(TOTAL) if workers[n] == "w1"], 0.6, seed)
    (finding,) = seen(Summary(TOTAL, streams_of(defect=bad), rows=rows, sizes=[10]))
    assert finding.text == "attempt's worker = w1"


def test_a_cause_within_the_items_of_another_is_not_lost() -> None:
    rows = {n: {"country": "DE" if n % 5 == 0 else "FR"} for n in range(TOTAL)}
    german = some(range(0, TOTAL, 5), 0.4, 4)
    down = set(range(600, 640))
    found = seen(Summary(TOTAL, streams_of(validation=german - down, network=down), rows=rows))
    assert {finding.text for finding in found} == {"country = DE", "items 600 to 639"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_causes_near_each_other_are_two(seed: int) -> None:
    """All failures together make one window of both, and a stronger one than either."""
    refused, invalid = some(range(400, 500), 0.95, seed), some(range(515, 640), 0.95, seed + 10)
    noise = some(set(range(TOTAL)) - refused - invalid, 0.02, seed + 20)
    found = seen(Summary(TOTAL, streams_of(network=refused, validation=invalid, unknown=noise)))
    assert {finding.stream for finding in found} == {"network", "validation"}
    assert len(found) == 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_cause_within_another_that_fails_all_the_same_is_named(seed: int) -> None:
    """From item 600 on nothing passes; half of one stretch of that fails in a way of its own."""
    refused = some(range(700, 800), 0.5, seed + 10)
    expired = some(range(600, TOTAL), 0.97, seed) - refused
    found = seen(Summary(TOTAL, streams_of(network=refused, auth=expired)))
    assert sorted(finding.stream for finding in found) == ["auth", "network"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_outage_that_fails_in_three_ways_is_one_finding(seed: int) -> None:
    chance = random.Random(seed)
    kinds: dict[str, set[int]] = {}
    for n in some(range(300, 420), 0.9, seed):
        kinds.setdefault(chance.choice(("network", "network", "timeout", "upstream")), set()).add(n)
    (finding,) = seen(Summary(TOTAL, streams_of(**kinds)))
    assert finding.stream == "any"
    assert len(finding.items) >= 100


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_another_cause_that_crosses_it_makes_no_second_finding_of_it(seed: int) -> None:
    chance = random.Random(seed)
    rows = {n: {"country": chance.choice(("DE", "FR", "IT"))} for n in range(TOTAL)}
    german = some([n for n in rows if rows[n]["country"] == "DE"], 0.5, seed + 10)
    down = some(range(600, 850), 0.99, seed + 20) - german
    found = seen(Summary(TOTAL, streams_of(validation=german, network=down), rows=rows))
    assert sorted(finding.stream for finding in found) == ["network", "validation"]


def test_what_fails_beside_a_batch_that_mostly_fails_is_found() -> None:
    rows = {n: {"country": "DE" if n % 7 == 0 else "FR"} for n in range(TOTAL)}
    failed = {n for n in rows if n % 7 == 0} | some(range(TOTAL), 0.5, 5)
    (finding,) = seen(Summary(TOTAL, streams_of(unknown=failed), rows=rows))
    assert finding.text == "country = DE"
    assert (finding.failed, finding.size) == (143, 143)


def test_a_sample_keeps_the_risk_of_the_batch() -> None:
    """All that failed and a tenth of the others: 30 % against 8 % looks like 84 % against 47 % there."""
    total, chance = 12_000, random.Random(6)
    french = {n for n in range(total) if n % 5 == 0}
    failed = {n for n in range(total) if chance.random() < (0.3 if n in french else 0.08)}
    drawn = frozenset(chance.sample(range(total), total // 10))
    rows = {n: {"country": "FR" if n in french else "DE"} for n in drawn | failed}
    (finding,) = seen(Summary(total, streams_of(unknown=failed), rows=rows, sample=drawn))
    assert finding.text == "country = FR"
    assert finding.failed == len(failed & french)
