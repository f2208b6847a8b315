"""D5: which attribute explains the failures."""

from __future__ import annotations

import random
from dataclasses import replace
from math import isfinite, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors.detectors import Finding, Stream, Summary
from errors.detectors.attributes import attributes, passing_conditions, relative_risk, universe_of
from errors.detectors.columns import table_of
from errors.detectors.conditions import number_in
from errors.detectors.findings import percent


def explained(rows: list[dict[str, Any]], failed: list[int], **more: Any) -> list[Finding]:
    return attributes(summary_of(rows, failed, **more))


def summary_of(rows: list[dict[str, Any]], failed: list[int], **more: Any) -> Summary:
    return Summary(len(rows), [Stream("any", sorted(failed))], rows=dict(enumerate(rows)), **more)


COUNTRIES = [{"country": "DE" if n % 20 == 0 else ("FR", "IT", "ES", "PL")[n % 4]} for n in range(1000)]
GERMAN_FAILURES = [*range(0, 800, 20), 1, 2]


def test_it_names_the_country() -> None:
    (found,) = explained(COUNTRIES, GERMAN_FAILURES)
    assert (found.text, found.failed, found.size) == ("country = DE", 40, 50)
    assert found.where["coverage"] == pytest.approx(0.9524, abs=5e-5)
    assert found.where["lift"] == pytest.approx(19.048, abs=5e-4)
    assert found.where["raw_p"] == pytest.approx(1.5586e-59, rel=5e-4)
    assert found.llr == pytest.approx(134.9043, abs=5e-4)
    assert found.sentence == (
        "40 of the 50 items with country = DE failed (80%). Of the other 950, 2 failed (0.2%). "
        "95% of all failures have country = DE."
    )


def test_it_speaks_of_all_failures_only_where_it_counted_all() -> None:
    summary = summary_of(COUNTRIES, GERMAN_FAILURES)
    stream = Stream("validation", summary.streams[0].failed)
    (found,) = attributes(replace(summary, streams=[stream]))
    assert found.sentence.endswith("95% of the failures counted have country = DE.")


@pytest.mark.parametrize(
    ("share", "text"),
    [(1, "100%"), (0.9996, "99.9%"), (0.952, "95%"), (0.083, "8.3%"), (0.0004, "under 0.1%"), (0, "0%")],
)
def test_its_percentages_are_all_or_none_only_of_all_or_none(share: float, text: str) -> None:
    assert percent(share) == text


def test_it_smooths_the_relative_risk() -> None:
    summary = summary_of(COUNTRIES, GERMAN_FAILURES)
    table = table_of(summary.rows)
    best = passing_conditions(universe_of(summary.streams[0], summary, table), table, 0.01, 5)[0]
    assert relative_risk(best.tally, 1000, 42) == pytest.approx(302.08, abs=5e-3)


@given(
    st.one_of(st.text(), st.floats().map(str), st.sampled_from(["inf", "Infinity", "-inf", "nan", "1e400", " 7 ", "٣"]))
)
def test_it_reads_a_number_in_a_text_as_float_does(text: str) -> None:
    try:
        number = float(text)
    except ValueError:
        number = nan
    assert number_in(("text", text)) == (number if isfinite(number) else None)


def test_it_explains_nothing_by_three_failures() -> None:
    assert explained(COUNTRIES, [0, 20, 40]) == []


def test_it_finds_where_an_amount_becomes_too_large() -> None:
    (found,) = explained([{"amount": n} for n in range(400)], list(range(360, 400)))
    assert (found.text, found.failed, found.size) == ("amount > 349", 40, 50)
    assert found.where["coverage"] == 1


def test_it_reads_numbers_from_text() -> None:
    (found,) = explained([{"amount": str(n)} for n in range(400)], list(range(360, 400)))
    assert found.text == "amount > 349"


def test_it_names_what_is_null_and_how_else_to_say_so() -> None:
    rows = [{"email": None if n % 10 == 0 else f"u{n}@x.org"} for n in range(500)]
    (found,) = explained(rows, list(range(0, 500, 10)))
    assert found.text == "email = None"
    assert {"email is empty", "type of email is null"} <= set(found.also)


def test_it_finds_a_missing_field_a_deep_one_and_a_length() -> None:
    rows = [{"name": "x" * (n % 50), "to": {"zip": "1"} if n % 9 else {}} for n in range(900)]
    (missing,) = explained(rows, [n for n in range(900) if n % 9 == 0])
    assert missing.text == "to.zip is missing"
    (long,) = explained(rows, [n for n in range(900) if n % 50 > 40])
    assert long.text.startswith("length of name > 4")


def test_it_narrows_a_condition_by_a_second() -> None:
    rows = [{"country": "DE" if n % 4 == 0 else "FR", "qty": n // 4 % 5} for n in range(2000)]
    failed = [n for n, row in enumerate(rows) if row == {"country": "DE", "qty": 4}]
    chance = random.Random(5)
    (found, *_) = explained(rows, [n for n in failed if chance.random() < 0.9])
    assert "country = DE" in found.text
    assert " and " in found.text
    assert found.size == 100


def test_it_finds_two_causes_one_after_the_other() -> None:
    chance = random.Random(6)
    rows = [{"country": chance.choice("ABCDEFGHIJ"), "kind": chance.choice("klmnopqrst")} for _ in range(3000)]
    failed = [n for n, row in enumerate(rows) if row["country"] == "A" or row["kind"] == "k"]
    texts = [found.text for found in explained(rows, failed)]
    assert sorted(texts) == ["country = A", "kind = k"]


def test_it_tells_true_from_one() -> None:
    rows: list[dict[str, Any]] = [{"flag": (True, 1, "1")[n % 3]} for n in range(600)]
    (found,) = explained(rows, list(range(0, 600, 3)))
    assert found.text == "flag = True"


@pytest.mark.parametrize("seed", range(6))
def test_it_finds_a_planted_cause_among_other_fields(seed: int) -> None:
    chance = random.Random(seed)
    rows = [
        {
            "country": chance.choice("ABCDEFGH"),
            "amount": chance.random() * 100,
            "id": n,
            "name": "x" * chance.randint(1, 30),
        }
        for n in range(1000)
    ]
    failed = [n for n, row in enumerate(rows) if chance.random() < (0.6 if row["country"] == "D" else 0.01)]
    assert explained(rows, failed)[0].text == "country = D"


def test_it_explains_chance_rarely() -> None:
    chance = random.Random(8)
    alarms = 0
    for _ in range(60):
        rows = [{"a": chance.choice("xyz"), "b": chance.random(), "c": chance.randint(0, 50)} for _ in range(300)]
        alarms += bool(explained(rows, chance.sample(range(300), 40)))
    assert alarms <= 2


def test_it_counts_a_sample_for_the_whole_batch() -> None:
    chance = random.Random(9)
    total = 20_000
    rows = [{"country": chance.choice("ABCDEFGHIJ")} for _ in range(total)]
    failed = [n for n, row in enumerate(rows) if row["country"] == "C" and chance.random() < 0.8]
    sample = frozenset(chance.sample(range(total), 2_000))
    kept = {n: rows[n] for n in sample.union(failed)}
    (found,) = attributes(Summary(total, [Stream("any", failed)], rows=kept, sample=sample))
    assert found.text == "country = C"
    assert found.failed == len(failed)
    assert found.size == pytest.approx(sum(row["country"] == "C" for row in rows), rel=0.1)


def test_it_survives_payloads_of_any_shape() -> None:
    rows: list[dict[str, Any]] = [{"a": [n, {"b": 1}], "c": {"d": {"e": {"f": n}}}, "g": 1e308 * 10} for n in range(40)]
    rows += [{"a": "1e999", "": {}, "g": "nan"}, {}] * 10
    explained(rows, list(range(0, 60, 3)))
