"""A batch with four causes and some bad luck: every detector sees it in its way, and exactly three findings remain."""

from __future__ import annotations

import pytest

from batches.proportions import wilson
from errors.detectors import Finding, Stream, Summary, find
from errors.detectors.attributes import attributes
from errors.detectors.periods import best_period
from errors.detectors.runs import longest_run_tail, runs_of
from errors.detectors.segments import hot_segments

TOTAL = 1000
ROWS = {n: {"country": "DE" if n % 20 == 0 else ["FR", "IT", "ES", "PL"][n % 4], "qty": n % 10} for n in range(TOTAL)}
NETWORK = list(range(300, 330))
KEYERROR = [n for n in range(TOTAL) if n % 100 == 99]
TIMEOUT = [17, 250, 733]
VALIDATION = [n for n in range(0, TOTAL, 20) if n not in {*NETWORK, *KEYERROR, *TIMEOUT}][:38]
ANY = sorted({*NETWORK, *KEYERROR, *TIMEOUT, *VALIDATION})
STREAMS = {"any": ANY, "network": NETWORK, "validation": VALIDATION, "keyerror": KEYERROR}
SUMMARY = Summary(TOTAL, [Stream(name, failed) for name, failed in STREAMS.items()], rows=ROWS, sizes=[100])
ALPHA = SUMMARY.alpha


def test_it_is_the_batch_we_think_it_is() -> None:
    assert (len(ANY), len(VALIDATION), len(KEYERROR)) == (81, 38, 10)
    assert wilson(81, TOTAL) == pytest.approx((0.0656, 0.0996), abs=5e-5)


@pytest.mark.parametrize(
    ("stream", "start", "end", "score", "expected"),
    [("any", 299, 329, 77.60, 7.95e-31), ("network", 300, 329, 104.90, 1.11e-42)],
)
def test_the_outage_is_a_hot_range(stream: str, start: int, end: int, score: float, expected: float) -> None:
    (found,) = hot_segments(STREAMS[stream], TOTAL, ALPHA)
    assert (found.start, found.end, found.failed) == (start, end, end - start + 1)
    assert found.score == pytest.approx(score, abs=5e-3)
    assert found.expected == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("stream", ["validation", "keyerror"])
def test_nothing_else_is(stream: str) -> None:
    assert hot_segments(STREAMS[stream], TOTAL, ALPHA) == []


@pytest.mark.parametrize(
    ("stream", "place", "counts", "score"),
    [
        ("any", (20, 0), (40, 50), 87.22),
        ("validation", (20, 0), (38, 50), 133.98),
        ("keyerror", (100, 99), (10, 10), 56.00),
    ],
)
def test_periods_are_seen(stream: str, place: tuple[int, int], counts: tuple[int, int], score: float) -> None:
    found = best_period(STREAMS[stream], TOTAL, ALPHA, sizes=[100])
    assert found is not None
    assert ((found.period, found.residue), (found.failed, found.size)) == (place, counts)
    assert found.llr == pytest.approx(score, abs=5e-3)


def test_the_outage_has_no_period() -> None:
    assert best_period(NETWORK, TOTAL, ALPHA, sizes=[100]) is None


def test_attributes_are_seen() -> None:
    found = {}
    for one in attributes(SUMMARY):
        found.setdefault(one.stream, one)
    assert (found["any"].text, found["any"].failed, found["any"].size) == ("country = DE", 40, 50)
    assert found["any"].where["coverage"] == pytest.approx(0.494, abs=5e-4)
    assert found["any"].where["lift"] == pytest.approx(9.88, abs=5e-3)
    assert found["any"].where["raw_p"] == pytest.approx(8.4e-38, rel=5e-3)
    assert (found["validation"].failed, found["validation"].size) == (38, 50)
    assert found["validation"].where["lift"] == pytest.approx(20)
    assert found["validation"].where["raw_p"] == pytest.approx(4.3e-57, rel=2e-2)
    assert (found["keyerror"].failed, found["keyerror"].size) == (10, 100)


@pytest.mark.parametrize(("stream", "start", "length"), [("any", 299, 31), ("network", 300, 30)])
def test_the_longest_run_is_the_outage(stream: str, start: int, length: int) -> None:
    longest = max(runs_of(STREAMS[stream]), key=len)
    assert (longest[0], len(longest)) == (start, length)


def test_its_chance_is_nil() -> None:
    assert longest_run_tail(TOTAL, 30, 30) == pytest.approx(4e-55, rel=0.05)


def cause(found: Finding) -> tuple[str, str, int, int]:
    return found.stream, found.text, found.failed, found.size


def test_one_finding_per_cause_remains() -> None:
    found = find(SUMMARY)
    assert sorted(map(cause, found)) == [
        ("keyerror", "every 100th item, the last of each 100", 10, 10),
        ("network", "items 300 to 329", 30, 30),
        ("validation", "country = DE", 38, 50),
    ]
    german = next(one for one in found if one.stream == "validation")
    assert german.also == ("every 20th item, the first of each 20",)
    assert not any(one.by_chance for one in found)
