"""Groups that were closed, and what brings them back: conditions, versions, retries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches import processors
from batches.exceptions import InvalidInput, InvalidTransition
from batches.models import Batch, Item, RetriedItem, Retry, Transition
from errors import groups, tasks
from errors.groups import clean_retries
from errors.models import ErrorGroup, GroupChange
from errors.receivers import batch_transitioned
from tests.helpers.failures import batch_of, fail, failure, report

pytestmark = pytest.mark.django_db


def failed(size: int = 20) -> tuple[Batch, int]:
    """A batch whose first item has failed, and the id of its group."""
    batch = batch_of(size)
    fail(batch, 0, ValueError("bad"))
    return batch, ErrorGroup.objects.get().pk


def state() -> tuple[str, str]:
    """The group's state, and the last word of its history."""
    return ErrorGroup.objects.earliest("pk").state, GroupChange.objects.latest("pk").reason


# -- ignored until -----------------------------------------------------------------------------------------------------


def test_it_is_ignored_until_more_than_so_many_items_failed_since() -> None:
    batch, group = failed()
    groups.acknowledge(group)
    groups.ignore(group, until={"items": 10}, reason="known")
    report(batch, [failure(batch, n, ValueError("bad")) for n in range(1, 11)])
    fail(batch, 1, ValueError("bad"), attempt=2)
    assert state() == ("ignored", "known")
    report(batch, [failure(batch, n, ValueError("bad")) for n in (11, 12)])
    assert state() == ("acknowledged", "un-ignored because 12 items > 10")
    assert ErrorGroup.objects.values_list("until", "ignored_at").get() == ({}, None)


def test_it_counts_items_of_other_batches_too() -> None:
    _, group = failed()
    groups.ignore(group, until={"items": 1})
    fail(batch_of(1, "b2"), 0, ValueError("bad"))
    assert state()[0] == "ignored"
    fail(batch_of(1, "b3"), 0, ValueError("bad"))
    assert state() == ("new", "un-ignored because 2 items > 1")


def test_it_is_ignored_until_its_share_of_a_batch_is_too_high() -> None:
    batch, group = failed(20)
    groups.ignore(group, until={"rate": 10})
    fail(batch, 1, ValueError("bad"))
    assert state()[0] == "ignored"
    fail(batch, 2, ValueError("bad"))
    assert state() == ("new", "un-ignored because 15 % > 10 % (3 of 20 items of batch b1)")


def test_it_is_ignored_until_a_batch_that_is_submitted_later() -> None:
    batch, group = failed()
    groups.ignore(group, until={"next_batch": True})
    fail(batch, 1, ValueError("bad"))
    assert state()[0] == "ignored"
    fail(batch_of(1, "b2"), 0, ValueError("bad"))
    assert state() == ("new", "un-ignored because it is in batch b2, submitted after it was ignored")


def test_it_is_ignored_until_a_date_whether_or_not_it_happens_again(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, group = failed()
    due = timezone.now() + timedelta(days=2)
    groups.ignore(group, until={"date": due})
    fail(batch, 1, ValueError("bad"))
    tasks.sweep()
    assert state()[0] == "ignored"
    fail(batch, 2, ValueError("bad"), at=due)
    assert state() == ("new", f"un-ignored because it is {due:%Y-%m-%d %H:%M} UTC")
    groups.ignore(group, until={"date": due})
    monkeypatch.setattr("errors.groups.timezone.now", lambda: due)
    tasks.sweep()
    assert state()[0] == "new"


def test_it_is_ignored_for_good_without_a_condition() -> None:
    batch, group = failed()
    groups.ignore(group)
    report(batch, [failure(batch, n, ValueError("bad")) for n in range(1, 20)])
    assert state()[0] == "ignored"


@pytest.mark.parametrize(
    "until",
    [
        {"items": 0},
        {"items": True},
        {"items": "ten"},
        {"rate": 0},
        {"rate": 100},
        {"rate": float("nan")},
        {"date": "tomorrow"},
        {"date": datetime(2020, 1, 1, tzinfo=UTC)},
        {"next_batch": False},
        {"moon": "full"},
        {"items": 3, "rate": 4},
    ],
    ids=str,
)
def test_it_refuses_a_condition_it_cannot_keep(until: dict[str, Any]) -> None:
    _, group = failed()
    with pytest.raises(InvalidInput) as refused:
        groups.ignore(group, until=until)
    assert "until" in refused.value.errors
    assert not GroupChange.objects.exists()


def test_a_person_who_reopens_it_ends_the_condition() -> None:
    batch, group = failed()
    groups.ignore(group, until={"items": 1})
    groups.reopen(group)
    report(batch, [failure(batch, n, ValueError("bad")) for n in range(1, 9)])
    assert (ErrorGroup.objects.get().until, GroupChange.objects.latest("pk").verb) == ({}, "reopen")


@pytest.mark.parametrize("act", [groups.acknowledge, groups.ignore], ids=["open", "ignored for good"])
def test_conditions_cost_nothing_where_there_are_none(act: Callable[..., None]) -> None:
    batch, group = failed()
    fail(batch, 1, ValueError("bad"))

    def statements(position: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            report(batch, [failure(batch, position, ValueError("bad"))])
        return len(captured)

    before = statements(2)
    act(group)
    assert statements(3) == before


# -- resolved ----------------------------------------------------------------------------------------------------------


def test_errors_of_attempts_in_flight_are_counted_and_noted_once() -> None:
    batch, group = failed()
    groups.resolve(group)
    earlier = timezone.now() - timedelta(minutes=1)
    for n in (1, 2, 3):
        fail(batch, n, ValueError("bad"), started_at=earlier)
    assert state() == ("resolved", "An attempt that had started before it was resolved failed in the same way.")
    assert list(GroupChange.objects.values_list("verb", flat=True)) == ["resolve", "late"]
    assert ErrorGroup.objects.get().late == 3


def test_a_group_resolved_in_a_version_comes_back_by_that_version_only(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, group = failed()
    soon = timezone.now() + timedelta(minutes=1)
    run_version(monkeypatch, "2.9")
    groups.resolve(group, in_version="2.10")
    fail(batch, 1, ValueError("bad"), started_at=soon)
    assert state() == ("resolved", "Version 2.9 failed in the same way; it is resolved in 2.10.")
    run_version(monkeypatch, "2.10")
    fail(batch, 2, ValueError("bad"), started_at=soon)
    assert state()[0] == "regressed"
    assert ErrorGroup.objects.values_list("resolved_at", "resolved_in", "late").get() == (None, "", 0)


def run_version(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    known = processors.Processor("test.do", lambda payload, context: None, version=version)
    monkeypatch.setitem(processors._registry, "test.do", known)


def test_it_refuses_a_version_that_has_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    _, group = failed()
    with pytest.raises(InvalidInput, match="declares no version"):
        groups.resolve(group, in_version="2")
    run_version(monkeypatch, "1")
    with pytest.raises(InvalidInput, match="is no version"):
        groups.resolve(group, in_version="the next one")
    with pytest.raises(ValueError, match="version is 'next'"):
        processors.processor("test.versioned", version="next")


# -- when the retry is clean -------------------------------------------------------------------------------------------


def retried(size: int = 4) -> tuple[Batch, Retry, int]:
    """A batch whose items all failed alike and are being tried again."""
    batch = batch_of(size)
    report(batch, [failure(batch, n, ValueError("bad")) for n in range(size)])
    batch.items.update(attempts=1, status="PENDING")
    retry = Retry.objects.create(batch=batch, number=1, items=size)
    RetriedItem.objects.bulk_create(RetriedItem(retry=retry, item=item, fate="RELEASED") for item in batch.items.all())
    Batch.objects.update(status="RUNNING")
    return batch, retry, ErrorGroup.objects.get().pk


def outcomes(batch: Batch, *words: str) -> None:
    """The second attempt of each item: empty for success."""
    now = timezone.now()
    for position, word in enumerate(words):
        item = batch.items.filter(position=position)
        if word:
            fail(batch, position, ValueError(word), attempt=2)
            item.update(status="FAILED", failed_at=now, attempts=2)
        else:
            item.update(status="SUCCEEDED", attempts=2)


def over(status: str = "COMPLETED") -> None:
    Batch.objects.update(status=status)
    batch_transitioned(Transition(batch_id="b1", from_status="RUNNING", to_status=status))


def test_it_is_resolved_when_no_item_of_the_retry_fails_alike() -> None:
    batch, retry, group = retried()
    groups.resolve_when_clean(group, retry, actor="ann")
    assert ErrorGroup.objects.values_list("state", "clean_after").get() == ("new", retry.pk)
    outcomes(batch, "", "", "other", "")
    over()
    kept = GroupChange.objects.latest("pk")
    assert (kept.verb, kept.from_state, kept.to_state, kept.actor) == ("resolve", "new", "resolved", "ann")
    assert kept.reason == "Retry 1 of b1 is clean: none of its 4 items fail alike."
    group_now = ErrorGroup.objects.get(pk=group)
    assert (group_now.state, group_now.clean_after) == ("resolved", None)
    assert group_now.resolved_at is not None


def test_it_stays_open_with_a_note_when_some_still_fail() -> None:
    batch, retry, group = retried()
    groups.acknowledge(group)
    groups.resolve_when_clean(group, retry)
    outcomes(batch, "", "bad", "other", "bad")
    over()
    assert state() == ("acknowledged", "2 of 4 still fail")
    assert ErrorGroup.objects.filter(clean_after=None).exists()


def test_it_waits_until_every_item_of_the_retry_is_done() -> None:
    batch, retry, group = retried()
    groups.resolve_when_clean(group, retry)
    outcomes(batch, "", "")
    clean_retries.settle()
    assert ErrorGroup.objects.get().clean_after == retry
    over("CANCELLED")
    assert state() == ("new", "2 of 4 were not tried again: the batch is cancelled")


def test_it_decides_by_the_sweep_what_no_signal_told() -> None:
    batch, retry, group = retried()
    outcomes(batch, "", "", "", "")
    groups.resolve_when_clean(group, retry)
    tasks.sweep()
    assert ErrorGroup.objects.get().state == "resolved"


def test_a_retry_that_is_over_decides_at_once(django_capture_on_commit_callbacks: Any) -> None:
    batch, retry, group = retried()
    outcomes(batch, "", "", "", "bad")
    with django_capture_on_commit_callbacks(execute=True):
        groups.resolve_when_clean(group, retry)
    assert state() == ("new", "1 of 4 still fail")


def test_who_resolves_by_hand_does_not_wait_any_more() -> None:
    batch, retry, group = retried()
    groups.resolve_when_clean(group, retry)
    groups.resolve(group)
    assert ErrorGroup.objects.get().clean_after is None
    with pytest.raises(InvalidTransition):
        groups.resolve_when_clean(group, retry)
    assert Item.objects.filter(batch=batch, status="PENDING").count() == 4
