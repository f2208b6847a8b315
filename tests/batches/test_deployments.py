"""Old and new code side by side: a worker leaves to others what it cannot run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django import forms
from django.utils import timezone

from batches import operations, processors, progress_text, progress_tracker, tasks
from batches.engine import presence, rehearsals, runner, slices
from batches.lanes import leases, workers
from batches.models import Batch, Checkpoint, Item, Transition, Worker
from batches.worker_names import worker_name
from tests.helpers.batches import modes, statuses, submitted

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]
NEW = "new:0badc0de:1:1"


@contextmanager
def old_code() -> Iterator[None]:
    """This process runs the code of before, which has no `test.do`."""
    current = processors._registry.pop("test.do")
    try:
        yield
    finally:
        processors._registry["test.do"] = current


def new_worker(seconds_ago: float = 0) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    Worker.objects.create(name=NEW, host="new", code="c", processors={"test.do": "c"}, started_at=at, heard_at=at)


def started(**more: Any) -> Batch:
    return operations.start(submitted(modes(*["ok"] * 30), **more).pk)


def long_ago(batch: Batch) -> None:
    Transition.objects.filter(batch=batch).update(at=timezone.now() - timedelta(minutes=11))


def test_old_and_new_code_share_a_batch_and_every_item_is_done_once() -> None:
    batch = started()
    with old_code():
        presence.register()
        tasks.run_slice(batch.pk, 0)
        assert operations.get_batch(batch.pk).status == "QUEUED"
        assert "test.do" in Worker.objects.get(name=worker_name()).declined[batch.pk]
        told = progress_text.words_of(operations.get_batch(batch.pk), progress_tracker.get_progress(batch.pk))[
            "sentence"
        ]
        assert told.startswith("Waiting for a worker that can run test.do.")
    for stop_after in (5, 10):
        stops = iter([False] * stop_after + [True] * 99)
        runner.work_slice(batch.pk, should_stop=lambda stops=stops: next(stops))  # type: ignore[misc]
        with old_code():
            tasks.run_slice(batch.pk, 0)
        assert operations.get_batch(batch.pk).status == "RUNNING"
    tasks.run_slice(batch.pk, 0)
    assert statuses(batch) == ["SUCCEEDED"] * 30
    assert set(Item.objects.values_list("attempts", flat=True)) == {1}
    assert Worker.objects.get(name=worker_name()).declined == {}
    assert operations.verify(batch.pk) == []


@pytest.mark.parametrize(("worker_heard", "stood_still", "status"), [
    (None, False, "QUEUED"),  # a deployment that begins with the web
    (None, True, "FAILED"),
    (9 * 60, True, "QUEUED"),  # one that knows it was here, and may come back
    (11 * 60, True, "FAILED"),
])  # fmt: skip
def test_it_has_failed_when_nobody_who_knows_it_was_heard_of_for_ten_minutes(
    worker_heard: float | None, stood_still: bool, status: str
) -> None:
    batch = started()
    if worker_heard is not None:
        new_worker(worker_heard)
    if stood_still:
        long_ago(batch)
    with old_code():
        presence.register()
        tasks.run_slice(batch.pk, 0)
    assert operations.get_batch(batch.pk).status == status


def test_a_form_that_refuses_the_parameters_leaves_them_to_another(register: Callable[..., None]) -> None:
    class Older(forms.Form):
        limit = forms.IntegerField(max_value=5)

    class Newer(forms.Form):
        limit = forms.IntegerField(max_value=50)

    register(Newer)
    batch = operations.submit(processor="test.with_params", items=[{"n": 1}], params={"limit": "10"}).batch
    operations.start(batch.pk)
    register(Older)
    presence.register()
    tasks.run_slice(batch.pk, 0)
    assert "limit" in workers.Declined().why(batch.pk)
    assert operations.get_batch(batch.pk).status == "QUEUED"
    register(Newer)
    tasks.run_slice(batch.pk, 0)
    assert operations.get_batch(batch.pk).status == "COMPLETED"


def test_old_code_ends_no_calls_of_a_processor_it_does_not_know() -> None:
    """It could not say whether they may be repeated, and set them aside."""
    batch = started()
    new_worker()
    assert slices.take_lane(batch, 0) is not None
    Item.objects.filter(position=0).update(status="RUNNING", lane=0, claimed_at=timezone.now())
    Checkpoint.objects.update(worker=NEW, lease_expires_at=timezone.now())
    with old_code():
        assert leases.revoke_expired() == 0
        assert statuses(batch)[0] == "RUNNING"
        Worker.objects.all().delete()
        assert leases.revoke_expired() == 1, "there is nobody who could say it"


def test_old_code_cancels_no_rehearsal_that_another_could_do() -> None:
    batch = submitted(modes("ok"))
    rehearsal = operations.rehearse(batch.pk)
    new_worker()
    with old_code():
        assert not rehearsals.work(rehearsal.pk)
    assert operations.get_rehearsal(batch.pk, rehearsal.number).state == "RUNNING"
    while rehearsals.work(rehearsal.pk):
        pass
    assert operations.get_rehearsal(batch.pk, rehearsal.number).state == "DONE"


def test_a_command_that_works_ends_when_only_others_could_go_on() -> None:
    batch = started()
    with old_code():
        runner.work_until_idle()
    assert operations.get_batch(batch.pk).status == "QUEUED"
