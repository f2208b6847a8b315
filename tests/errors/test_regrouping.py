"""Merging and splitting groups: what moves, what sticks, and that the counters equal the records throughout."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches.exceptions import InvalidInput, InvalidTransition
from batches.lifecycle.scopes import condition
from batches.models import Batch
from errors import groups
from errors.filters import scopes
from errors.groups import regrouping
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, Findings, GroupChange
from errors.receivers import group_rehearsed
from tests.helpers.failures import batch_of, fail, failure, raised, report
from tests.helpers.processes import run_together

pytestmark = pytest.mark.django_db


def group(word: str) -> ErrorGroup:
    return ErrorGroup.objects.get(title=word)


def counters() -> dict[str, tuple[int, int]]:
    """title -> errors and items, over all batches; they must equal the records."""
    for batch in Batch.objects.all():
        assert list(scopes.failures_have_records(batch)) == []
    totals: dict[str, tuple[int, int]] = {}
    for title, errors, items in BatchGroup.objects.values_list("group__title", "errors", "items"):
        before = totals.get(title, (0, 0))
        totals[title] = (before[0] + errors, before[1] + items)
    return totals


def two_groups() -> Batch:
    """ant: items 0 and 1; bee: items 1 (its second attempt) and 2; and ant in another batch."""
    batch = batch_of(9)
    for position, word, attempt in ((0, "ant", 1), (1, "ant", 1), (1, "bee", 2), (2, "bee", 1)):
        fail(batch, position, ValueError(word), attempt)
    batch.items.filter(position__lt=3).update(attempts=2)
    fail(batch_of(1, "b2"), 0, ValueError("ant"))
    Batch.objects.get(pk="b2").items.update(attempts=1)
    return batch


def test_it_merges_what_is_recorded_and_what_is_to_come() -> None:
    batch = two_groups()
    regrouping.merge(group("ant").pk, group("bee").pk, actor="ann", reason="same cause")
    assert counters() == {"bee": (5, 4)}
    fail(batch, 3, ValueError("ant"))
    batch.items.filter(position=3).update(attempts=1)
    fail(batch_of(1, "b3"), 0, ValueError("ant"))
    Batch.objects.get(pk="b3").items.update(attempts=1)
    assert counters() == {"bee": (7, 6)}
    said = GroupChange.objects.values_list("group__title", "verb", "actor", "reason")
    assert sorted(said) == [("ant", "merge", "ann", "same cause"), ("bee", "merge", "ann", "same cause")]


def test_a_chunk_with_both_counts_an_item_once() -> None:
    batch = two_groups()
    regrouping.merge(group("ant").pk, group("bee").pk)
    report(batch, [failure(batch, 3, ValueError("ant")), failure(batch, 4, ValueError("bee"))])
    fail(batch, 3, ValueError("bee"), attempt=2)
    batch.items.filter(position__in=(3, 4)).update(attempts=2)
    assert counters() == {"bee": (8, 6)}


def test_what_is_taken_out_again_stays_out() -> None:
    batch = two_groups()
    before = counters()
    regrouping.merge(group("ant").pk, group("bee").pk)
    regrouping.split(group("bee").pk, group("ant").pk)
    assert counters() == before
    assert not ErrorRecord.objects.filter(origin__isnull=False).exists()
    for position in (3, 4):
        fail(batch, position, ValueError("ant"))
    batch.items.filter(position__in=(3, 4)).update(attempts=1)
    assert counters() == {"ant": (5, 5), "bee": (2, 2)}


def test_what_came_since_the_merge_is_taken_out_too() -> None:
    batch = two_groups()
    regrouping.merge(group("ant").pk, group("bee").pk)
    fail(batch, 3, ValueError("ant"))
    batch.items.filter(position=3).update(attempts=1)
    regrouping.split(group("bee").pk, group("ant").pk)
    assert counters() == {"ant": (4, 4), "bee": (2, 2)}


def test_merges_of_merges_lead_to_one_group_and_come_apart_again() -> None:
    batch = two_groups()
    fail(batch, 4, ValueError("cat"))
    batch.items.filter(position=4).update(attempts=1)
    before = counters()
    regrouping.merge(group("ant").pk, group("bee").pk)
    regrouping.merge(group("bee").pk, group("cat").pk)
    fail(batch, 5, ValueError("ant"))
    batch.items.filter(position=5).update(attempts=1)
    assert counters() == {"cat": (7, 6)}
    regrouping.split(group("cat").pk, group("bee").pk)
    assert counters() == {"bee": (2, 2), "cat": (5, 5)}
    regrouping.split(group("cat").pk, group("ant").pk)
    assert counters() == before | {"ant": (4, 4)}


def test_the_items_of_a_merged_group_are_still_known_by_its_fingerprint() -> None:
    batch = two_groups()
    regrouping.merge(group("ant").pk, group("bee").pk)
    batch.items.filter(position=0).update(attempts=1)
    for word, positions in (("ant", [0]), ("bee", [0, 1])):
        chosen = batch.items.filter(condition(batch, "group", group(word).fingerprint))
        assert sorted(chosen.values_list("position", flat=True)) == positions


def test_it_splits_by_place_what_there_is_and_what_is_to_come() -> None:
    batch = batch_of(6)
    for position in (0, 1):
        fail(batch, position, raised(ValueError("bad")))
    fail(batch, 2, elsewhere())
    fail(batch, 3, ValueError("bad"))
    groups.acknowledge(group("bad").pk)
    assert len(regrouping.split_by_place(group("bad").pk)) == 3
    fail(batch, 4, raised(ValueError("bad")))
    fail(batch, 5, elsewhere())
    batch.items.update(attempts=1)
    assert counters() == {
        "bad · tests.helpers.failures.raised": (3, 3),
        "bad · tests.errors.test_regrouping.elsewhere": (2, 2),
        "bad · no traceback": (1, 1),
    }
    states = ErrorGroup.objects.exclude(title="bad").values_list("state", flat=True)
    assert list(states) == ["acknowledged"] * 3
    parts = list(ErrorGroup.objects.exclude(title="bad").order_by("pk"))
    regrouping.merge(parts[0].pk, parts[1].pk)
    fail(batch, 0, elsewhere(), attempt=2)
    fail(batch, 1, raised(ValueError("bad")), attempt=2)
    fail(batch, 2, ValueError("bad"), attempt=2)
    batch.items.update(attempts=2)
    assert sum(errors for errors, _ in counters().values()) == 9
    assert len(counters()) == 2


def test_a_rehearsal_tells_groups_as_people_left_them() -> None:
    batch = two_groups()
    regrouping.merge(group("ant").pk, group("bee").pk)
    failures = [failure(batch, n, ValueError(word)) for n, word in ((3, "ant"), (4, "bee"), (5, "cat"))]
    described = group_rehearsed(batch, failures)
    bee = group("bee").fingerprint
    assert [description.fingerprint == bee for description in described] == [True, True, False]


def elsewhere() -> BaseException:
    try:
        raise ValueError("bad")
    except ValueError as error:
        return error


def test_it_refuses_what_makes_no_sense() -> None:
    two_groups()
    ant, bee = group("ant").pk, group("bee").pk
    for act in (
        lambda: regrouping.merge(ant, ant),
        lambda: regrouping.merge(ant, bee + 1000),
        lambda: regrouping.split(ant, bee),
    ):
        with pytest.raises(InvalidInput):
            act()
    regrouping.merge(ant, bee)
    with pytest.raises(InvalidInput, match="same group"):
        regrouping.merge(bee, ant)
    with pytest.raises(InvalidTransition, match="it is merged"):
        regrouping.split_by_place(ant)
    with pytest.raises(InvalidInput, match="were merged into this one"):
        regrouping.split_by_place(bee)
    with pytest.raises(InvalidTransition, match="merged into another"):
        groups.resolve(ant)
    ErrorGroup.objects.create(
        processor="other", fingerprint="f", title="o", first_seen=timezone.now(), last_seen=timezone.now()
    )
    with pytest.raises(InvalidInput, match="different processors"):
        regrouping.merge(group("o").pk, bee)


def test_a_merge_does_not_end_an_ignore_by_itself() -> None:
    batch = two_groups()
    groups.ignore(group("bee").pk, until={"items": 2})
    regrouping.merge(group("ant").pk, group("bee").pk)
    fail(batch, 3, ValueError("ant"))
    assert group("bee").state == "ignored"
    fail(batch, 4, ValueError("ant"))
    fail(batch, 5, ValueError("ant"))
    assert (group("bee").state, GroupChange.objects.latest("pk").reason) == (
        "new",
        "un-ignored because 3 items > 2",
    )


def test_findings_are_looked_for_anew_after_a_merge() -> None:
    batch = two_groups()
    Findings.objects.create(batch=batch, errors=5, looks=1, at=timezone.now())
    regrouping.merge(group("ant").pk, group("bee").pk)
    assert Findings.objects.get().errors == 0


def test_overrides_cost_nothing_where_there_are_none() -> None:
    batch = batch_of(3)
    fail(batch, 0, ValueError("ant"))

    def statements(position: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            fail(batch, position, ValueError("ant"))
        return len(captured)

    fail(batch, 1, ValueError("bee"))
    before = statements(2)
    regrouping.merge(group("bee").pk, group("ant").pk)
    ErrorRecord.objects.filter(position=2).delete()
    assert statements(2) == before


LANE = """
import sys
from batches.models import Batch
from tests.helpers.failures import failure, report
batch, lane = Batch.objects.get(pk="b1"), int(sys.argv[1])
words = ["ant", "bee", "cat", "dog"][:: 1 if lane % 2 else -1]
print("ready", flush=True)
sys.stdin.readline()
for attempt in range(1, 41):
    report(batch, [failure(batch, lane * 4 + n, ValueError(word), attempt) for n, word in enumerate(words)])
"""
PERSON = """
import sys
from errors.groups import regrouping
from errors.models import ErrorGroup
ids = dict(ErrorGroup.objects.values_list("title", "pk"))
one, other = (ids[word] for word in sys.argv[1:])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(12):
    regrouping.merge(one, other)
    regrouping.split(other, one)
regrouping.merge(one, other)
"""


@pytest.mark.full
def test_lanes_and_people_who_merge_do_not_wait_in_a_circle(in_process: Callable[..., subprocess.Popen[str]]) -> None:
    batch = batch_of(16)
    report(batch, [failure(batch, 12 + n, ValueError(word)) for n, word in enumerate(("ant", "bee", "cat", "dog"))])
    run_together(
        [
            *(in_process(LANE, str(n)) for n in range(3)),
            in_process(PERSON, "ant", "dog"),
            in_process(PERSON, "cat", "bee"),
        ]
    )
    batch.items.update(attempts=40)
    assert sorted(counters()) == ["bee", "dog"]
    assert sum(errors for errors, _ in counters().values()) == 3 * 4 * 40 + 4
