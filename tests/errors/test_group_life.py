"""One group from its first error to its return, with batches that really run."""

from __future__ import annotations

import pytest

from batches import operations
from batches.engine import runner
from batches.models import Batch, Item
from errors import groups
from errors.filters import scopes
from errors.groups import clean_retries
from errors.models import ErrorGroup, GroupChange
from tests.helpers.batches import modes, ran

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def retried(batch: Batch, fixed: int) -> None:
    """The input of so many items is put right, all that failed is tried again, and the group waits for it."""
    group = ErrorGroup.objects.get()
    Item.objects.filter(batch=batch, position__lt=fixed).update(payload={"mode": "ok"})
    retry = operations.retry(batch.pk, group=group.fingerprint)
    groups.resolve_when_clean(group.pk, retry, actor="ann")
    runner.work_until_idle(batch.pk)


def history() -> list[tuple[str, str, str]]:
    return list(GroupChange.objects.order_by("pk").values_list("verb", "to_state", "reason"))


def test_a_group_is_resolved_by_a_clean_retry_and_comes_back_in_the_next_batch() -> None:
    batch = ran(modes(*["invalid"] * 4))
    retried(batch, fixed=2)
    assert history()[-1] == ("not_clean", "new", "2 of 4 still fail")
    retried(batch, fixed=4)
    clean = f"Retry 2 of {batch.pk} is clean: none of its 2 items fail alike."
    assert history()[-1] == ("resolve", "resolved", clean)
    later = ran(modes("invalid", "ok"))
    assert (history()[-1][:2], ErrorGroup.objects.get().state) == (("regress", "regressed"), "regressed")
    for one in (batch, later):
        assert operations.verify(one.pk) == []
        assert list(scopes.failures_have_records(one)) == []


def test_an_ignored_group_comes_back_while_the_batch_runs() -> None:
    ran(modes("invalid"))
    groups.ignore(ErrorGroup.objects.get().pk, until={"items": 5})
    ran(modes(*["invalid"] * 5))
    assert ErrorGroup.objects.get().state == "ignored"
    ran(modes(*["invalid"] * 12), checkpoint_every=5)
    assert history()[-1] == ("unignore", "new", "un-ignored because 10 items > 5")


def test_a_group_waits_while_an_item_of_the_retry_waits() -> None:
    batch = ran(modes("invalid", "invalid"))
    group = ErrorGroup.objects.get()
    retry = operations.retry(batch.pk, all_failed=True)
    groups.resolve_when_clean(group.pk, retry)
    Batch.objects.filter(pk=batch.pk).update(status="COMPLETED")
    clean_retries.settle()
    assert ErrorGroup.objects.get().clean_after == retry


def test_a_group_stays_open_when_the_canary_of_the_retry_does_not_recover() -> None:
    batch = ran(modes(*["invalid"] * 6))
    group = ErrorGroup.objects.get()
    retry = operations.retry(batch.pk, group=group.fingerprint, canary=2, permanent=True)
    groups.resolve_when_clean(group.pk, retry)
    runner.work_until_idle(batch.pk)
    clean_retries.settle()
    retry.refresh_from_db()
    assert history()[-1] == ("not_clean", "new", retry.note)
    assert "0 of the 2 items of the canary recovered" in retry.note


def test_a_group_waits_for_all_waves_of_the_retry() -> None:
    batch = ran(modes(*["invalid"] * 6))
    group = ErrorGroup.objects.get()
    Item.objects.filter(batch=batch).update(payload={"mode": "ok"})
    retry = operations.retry(batch.pk, group=group.fingerprint, canary=2, permanent=True)
    groups.resolve_when_clean(group.pk, retry)
    runner.work_until_idle(batch.pk)
    clean_retries.settle()
    clean = f"Retry 1 of {batch.pk} is clean: none of its 6 items fail alike."
    assert [entry[2] for entry in history()[1:]] == [clean]
    assert ErrorGroup.objects.get().state == "resolved"
