"""One cause whose messages carry many ordinary words is one group; a few words tell causes apart."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from django.db import connection

from batches.models import Batch
from errors.grouping import group_counters
from errors.grouping.word_families import MANY_WORDS, families_in, in_family
from errors.groups import regrouping
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, RegroupJob
from errors.receivers import group_rehearsed
from tests.helpers.failures import batch_of, failure, report

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.full_on("postgresql")]
SYLLABLES = ("ba", "ke", "lo", "mi", "nu", "sa", "to", "ri", "du", "pe", "fa", "go")
WORDS = [first + second for first, second in product(SYLLABLES, SYLLABLES)]
STOCK = "no stock for <any word>"


def fails(batch: Batch, messages: Iterable[str], at_once: int = 10, start: int = 0) -> None:
    """An item for each message, so many in a chunk."""
    texts = list(messages)
    for n in range(0, len(texts), at_once):
        chunk = texts[n : n + at_once]
        report(batch, [failure(batch, start + n + i, ValueError(text)) for i, text in enumerate(chunk)])
    batch.items.filter(position__range=(start, start + len(texts) - 1)).update(attempts=1)


def counts(batch: Batch) -> dict[str, int]:
    """Title -> errors, as the counters have it, which must be what the records have."""
    rows = BatchGroup.objects.filter(batch=batch)
    for row in rows:
        records = ErrorRecord.objects.filter(batch=batch, group=row.group_id)
        assert (row.errors, row.items) == (records.count(), records.values("item").distinct().count())
    return dict(rows.values_list("group__title", "errors"))


@pytest.mark.full_on("sqlite")
def test_one_cause_with_many_words_is_one_group() -> None:
    batch = batch_of(135)
    fails(batch, [f"no stock for {word}" for word in WORDS[:130]])
    fails(batch, ["missing field name", "missing field price"] * 2, start=130)
    assert counts(batch) == {STOCK: 130, "missing field name": 2, "missing field price": 2}
    assert not RegroupJob.objects.filter(state="waiting").exists()


@pytest.mark.parametrize("at_once", [1, 50])
@pytest.mark.full
def test_it_is_the_same_however_the_failures_come(at_once: int) -> None:
    batch = batch_of(130)
    fails(batch, reversed([f"no stock for {word}" for word in WORDS[:130]]), at_once)
    assert counts(batch) == {STOCK: 130}


def test_fewer_words_stay_apart() -> None:
    batch = batch_of(40)
    fails(batch, [f"no stock for {word}" for word in WORDS[: MANY_WORDS - 1]])
    assert len(counts(batch)) == MANY_WORDS - 1


def test_columns_of_the_input_stay_apart_however_many_there_are() -> None:
    batch = batch_of(100, source={"columns": WORDS[:50]})
    fails(batch, [f"missing field {word}" for word in WORDS[:50]])
    assert len(counts(batch)) == 50


def test_a_later_batch_joins_the_family_from_its_first_failure_on() -> None:
    fails(batch_of(40), [f"no stock for {word}" for word in WORDS[:40]])
    later = batch_of(3, "b2")
    fails(later, [f"no stock for {word}" for word in (WORDS[0], WORDS[50], WORDS[51])])
    assert counts(later) == {STOCK: 3}
    rehearsed = group_rehearsed(later, [failure(later, 0, ValueError("no stock for kiwi"))])
    assert [each.title for each in rehearsed] == [STOCK]


@pytest.mark.full_on("sqlite")
def test_groups_of_earlier_batches_are_gathered_too() -> None:
    earlier = batch_of(20, "b2")
    fails(earlier, [f"no stock for {word}" for word in WORDS[:20]])
    fails(batch_of(130), [f"no stock for {word}" for word in WORDS[:130]])
    assert counts(earlier) == {STOCK: 20}
    assert counts(Batch.objects.get(pk="b1")) == {STOCK: 130}


@pytest.mark.full_on("sqlite")
def test_what_people_did_stays_as_they_left_it() -> None:
    batch = batch_of(200)
    fails(batch, [f"no stock for {word}" for word in WORDS[:20]])
    ids = dict(ErrorGroup.objects.values_list("key", "pk"))
    first, second = (ids[f"no stock for {word}"] for word in WORDS[:2])
    regrouping.merge(first, second)
    ErrorGroup.objects.filter(key=f"no stock for {WORDS[2]}").update(state="acknowledged")
    fails(batch, [f"no stock for {word}" for word in WORDS[:60]], start=20)
    mine = {f"no stock for {WORDS[1]}": 4, f"no stock for {WORDS[2]}": 2}
    assert counts(batch) == mine | {STOCK: 74}


@pytest.mark.full_on("sqlite")
def test_a_word_taken_out_of_the_family_stays_out() -> None:
    batch = batch_of(200)
    fails(batch, [f"no stock for {word}" for word in WORDS[:60]])
    family = ErrorGroup.objects.get(is_family=True)
    out = ErrorGroup.objects.get(key=f"no stock for {WORDS[0]}")
    regrouping.split(family.pk, out.pk)
    fails(batch, [f"no stock for {word}" for word in WORDS[:60]], start=60)
    assert counts(batch) == {STOCK: 118, f"no stock for {WORDS[0]}": 2}


def test_a_family_merged_by_hand_is_followed() -> None:
    batch = batch_of(200)
    fails(batch, [*(f"no stock for {word}" for word in WORDS[:60]), "warehouse closed"])
    closed = ErrorGroup.objects.get(key="warehouse closed")
    regrouping.merge(ErrorGroup.objects.get(is_family=True).pk, closed.pk)
    fails(batch, [f"no stock for {word}" for word in WORDS[60:80]], start=61)
    assert counts(batch) == {"warehouse closed": 81}


@pytest.mark.full
def test_words_in_two_places_are_one_cause_at_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_counters, "MAX_TEMPLATES", 100)
    batch = batch_of(300)
    pairs = list(product(WORDS[:17], WORDS[20:37]))
    fails(batch, [f"no {what} in {where} today" for what, where in pairs])
    titles = counts(batch)
    assert sum(titles.values()) == len(pairs)
    assert not any("other messages" in title for title in titles)
    assert titles["no <any word> in <any word> today"] > 200


def test_the_cap_is_reached_by_different_causes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_counters, "MAX_TEMPLATES", 20)
    batch = batch_of(60)
    fails(batch, [f"no stock for {word}" for word in WORDS[:25]])
    fails(batch, ["queue closed early", "printer out of paper"], start=25)
    assert counts(batch) == {STOCK: 25, "queue closed early": 1, "printer out of paper": 1}


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer")
def test_lanes_make_one_family_together() -> None:
    batch, other = batch_of(160), batch_of(160, "b2")

    def record(lane: int) -> None:
        try:
            words = WORDS[20 * (lane // 2) : 20 * (lane // 2) + 40]
            fails((batch, other)[lane % 2], [f"no stock for {word}" for word in words], 4, start=40 * (lane // 2))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as lanes:
        list(lanes.map(record, range(8)))
    assert (counts(batch), counts(other)) == ({STOCK: 160}, {STOCK: 160})
    assert not RegroupJob.objects.filter(state="waiting").exists()


def test_names_of_two_words_are_values_and_phrases_are_not() -> None:
    people = [
        f"no customer called {first.title()} {last.title()}"
        for first, last in zip(WORDS[:50], WORDS[40:90], strict=True)
    ]
    assert set(families_in(people, ()).values()) == {"no customer called <any words>"}
    phrases = [f"row: {what} {word}" for what in ("missing field", "bad column") for word in WORDS[:20]]
    assert families_in(phrases, ()) == {}


@pytest.mark.parametrize(
    ("key", "is_in"),
    [
        ("no stock for kiwi", True),
        ("no stock for semi-skimmed", True),
        ("no stock for <str>", True),
        ("no stock for order_no", False),
        ("no stock for <num>", False),
        ("no stock for red kiwi", False),
        ("no stock for kiwi.", False),
    ],
)
def test_what_is_in_a_family(key: str, is_in: bool) -> None:
    assert in_family(key, STOCK) is is_in


def test_a_key_error_of_many_words_is_one_cause_and_bare_words_are_not() -> None:
    assert set(families_in([f"'{word}'" for word in WORDS[:40]], ()).values()) == {"'<any word>'"}
    assert families_in(WORDS[:40], ()) == {}
    assert families_in([f"refused: INSUFFICIENT_{word.upper()}" for word in WORDS[:40]], ()) == {}
