"""A batch that is deleted or archived: what goes, what stays, and that nothing is torn on the way."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model

from batches import operations
from batches.engine import runner
from batches.exceptions import BatchConflict, InvalidTransition, UnknownBatch
from batches.lanes import leases
from batches.lifecycle import deliveries, removals
from batches.models import Batch, Checkpoint, Delivery, IdempotencyRecord, Item, Removal, Webhook
from errors.models import BatchGroup, ErrorGroup, ErrorRecord
from tests.helpers.batches import modes, ran, submitted
from tests.helpers.check_rows import BAD, GOOD, finished
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
Start = Callable[..., subprocess.Popen[str]]
DIES = """
import os, signal
from batches.lifecycle import removals, removed_rows
once, steps = removed_rows.remove_items, []
def remove_and_die(*args, **kwargs):
    page = once(*args, **kwargs)
    steps.append(page)
    if len(steps) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return page
removed_rows.remove_items = remove_and_die
removals.FEWEST = removals.MOST = 10
removals.work()
"""


def rows_of(batch_id: str) -> dict[str, int]:
    """Rows that belong to the batch, by table, in every table that has any."""
    found = dict[str, int]()
    for model in apps.get_models():
        if (path := path_to_batch(model)) and (n := model._default_manager.filter(**{path: batch_id}).count()):
            found[model._meta.label] = n
    return found


def path_to_batch(model: type[Model], depth: int = 0) -> str:
    """The lookup from the model's rows to their batch, over other tables if need be; empty without one."""
    for field in model._meta.concrete_fields:
        if field.related_model is Batch:
            return field.name
    for field in model._meta.concrete_fields if depth < 2 else ():
        other: Any = field.related_model
        if other and other is not model and other is not ErrorGroup and (path := path_to_batch(other, depth + 1)):
            return f"{field.name}__{path}"
    return ""


def with_history() -> Batch:
    """Retried, corrected, set aside, rehearsed, and with items that failed twice."""
    batch = finished("b1", (GOOD, BAD, BAD, BAD, BAD))
    operations.retry("b1", all_failed=True)
    operations.sweep()
    runner.work_until_idle("b1")
    operations.quarantine("b1", positions=[1, 1], actor="ana")
    operations.rehearse("b1", wake=False)
    batch.rehearsals.update(state="DONE")
    return operations.get_batch("b1")


def test_it_leaves_no_row_of_a_deleted_batch_but_the_record_of_it() -> None:
    with_history()
    operations.delete("b1", actor="ana", reason="of last year")
    assert operations.get_batch("b1").status == "DELETING"
    removals.work()
    assert rows_of("b1") == {}
    assert not IdempotencyRecord.objects.exists()
    with pytest.raises(UnknownBatch):
        operations.get_batch("b1")
    removal = operations.last_removal("b1")
    assert removal is not None
    assert (removal.state, removal.percent, removal.actor, removal.reason) == ("done", 100, "ana", "of last year")
    assert removal.contents["items"] == removal.removed_items == 5
    assert removal.contents["errors"] == 8


def test_it_counts_of_a_shared_group_what_other_batches_have() -> None:
    for batch_id in ("b1", "b2"):
        finished(batch_id, (GOOD, BAD, BAD))
    group = ErrorGroup.objects.get()
    plan = operations.removal_plan("b1", "delete")
    assert any("1 has errors in other batches" in remark for remark in plan.remarks)
    operations.delete("b1")
    remover = removals.Remover()
    remover.steps.size = 2
    remover.step(removals.under_way()[0].pk)
    row = BatchGroup.objects.get(batch="b1")
    assert row.errors == ErrorRecord.objects.filter(batch="b1").count() == 1
    removals.work()
    assert list(BatchGroup.objects.values_list("batch", "errors", "items")) == [("b2", 2, 2)]
    assert ErrorRecord.objects.filter(group=group).count() == 2
    assert operations.verify("b2") == []


def test_a_group_with_nothing_left_keeps_what_people_decided() -> None:
    finished()
    ErrorGroup.objects.update(state=ErrorGroup.State.IGNORED)
    operations.delete("b1")
    removals.work()
    assert ErrorGroup.objects.get().state == "ignored"
    assert not BatchGroup.objects.exists()


@pytest.mark.parametrize("kind", ["delete", "archive"])
@pytest.mark.full_on("sqlite")
def test_it_goes_on_where_a_killed_process_left_off(in_process: Start, kind: str) -> None:
    batch = ran(modes(*["ok", "invalid"] * 30))
    getattr(operations, kind)(batch.pk, actor="ana")
    process = in_process(DIES)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, errors
    assert Item.objects.filter(batch=batch).count() == 40
    assert ErrorRecord.objects.filter(batch=batch).count() == 20
    removal = Removal.objects.get()
    assert (removal.removed_items, removal.percent) == (20, 33)
    removals.work()
    removal.refresh_from_db()
    assert (removal.state, removal.removed_items) == ("done", 60)
    assert not Item.objects.exists()
    assert not ErrorRecord.objects.exists()


def test_it_deletes_nothing_of_which_something_runs() -> None:
    batch = submitted(modes("ok", "ok"))
    operations.start(batch.pk)
    with pytest.raises(InvalidTransition, match=r"queued\. Cancel it first"):
        operations.delete(batch.pk)
    lease = leases.take(batch, 0)
    assert lease is not None
    Batch.objects.filter(pk=batch.pk).update(status="PAUSED")  # as no mover would: the lane alone must hold it
    assert operations.removal_plan(batch.pk, "delete").refusal
    with pytest.raises(InvalidTransition, match="at work"):
        operations.delete(batch.pk)
    Checkpoint.objects.update(worker="", lease_expires_at=None)
    rehearsal = operations.rehearse(batch.pk, wake=False)
    with pytest.raises(InvalidTransition, match="at work"):
        operations.delete(batch.pk)
    rehearsal.state = "DONE"
    rehearsal.save()
    assert operations.delete(batch.pk) == operations.delete(batch.pk)


def test_nothing_can_be_done_with_what_is_being_deleted() -> None:
    finished()
    operations.delete("b1")
    for act in (
        lambda: operations.retry("b1", all_failed=True),
        lambda: operations.rehearse("b1"),
        lambda: operations.adjust("b1", rate=5),
        lambda: operations.resume("b1"),
        lambda: operations.cancel("b1"),
        lambda: operations.archive("b1"),
        lambda: operations.verify("b1"),
    ):
        with pytest.raises(InvalidTransition):
            act()
    assert operations.legal_verbs(operations.get_batch("b1")) == []


def test_messages_that_are_owed_end_in_words() -> None:
    Webhook.objects.create(url="https://hooks.example/", secret=deliveries.new_secret())
    finished()
    assert operations.removal_plan("b1", "archive").contents["messages not sent yet"]
    operations.archive("b1")
    removals.work()
    assert set(Delivery.objects.values_list("due_at", "answer")) == {(None, "Not sent: The batch is being archived.")}


def test_the_id_of_a_batch_that_ran_is_not_used_again() -> None:
    finished("b1")
    submitted(modes("ok"), batch_id="b2")
    for batch_id in ("b1", "b2"):
        operations.delete(batch_id)
    removals.work()
    with pytest.raises(BatchConflict, match="ran, and was deleted"):
        finished("b1")
    assert submitted(modes("ok"), batch_id="b2").pk == "b2"


def test_an_archived_batch_is_a_summary() -> None:
    finished("b1", (GOOD, BAD, BAD))
    operations.archive("b1", actor="ana")
    removals.work()
    batch = operations.get_batch("b1")
    assert (batch.status, batch.total_items, batch.finished_at is not None) == ("ARCHIVED", 3, True)
    assert rows_of("b1").keys() <= {
        *("batches.Transition", "batches.Checkpoint", "batches.Milestone", "batches.Map", "batches.Delivery"),
        "errors.BatchGroup",
    }
    summary = removals.summary_of("b1")
    assert summary["counts"] == {"succeeded": 1, "failed": 2, "skipped": 0, "quarantined": 0, "total": 3}
    assert summary["groups"][0]["errors"] == 2
    assert operations.verify("b1") == summary["broken_promises"] == []
    assert BatchGroup.objects.get().errors == 2
    assert operations.legal_verbs(batch) == []
    operations.delete("b1")
    removals.work()
    assert rows_of("b1") == {}


def test_a_batch_that_breaks_a_promise_is_not_archived() -> None:
    finished()
    before = operations.get_batch("b1").finished_at
    Checkpoint.objects.update(succeeded=7)
    operations.archive("b1")
    removals.work()
    batch, removal = operations.get_batch("b1"), Removal.objects.get()
    assert (batch.status, batch.finished_at) == ("COMPLETED", before)
    assert (removal.state, Item.objects.count()) == ("refused", 2)
    assert "Lane 0 counts 7" in removal.note
    assert removal.note == batch.reason


def test_workers_remove_nothing_while_everything_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    finished()
    operations.delete("b1")
    monkeypatch.setattr(removals, "LOOK_EVERY", 0)
    operations.pause_everything(reason="the disk is being moved")
    turns = iter([False, False, True])
    removals.keep_removing(lambda: next(turns, True))
    assert Item.objects.count() == 2
    operations.lift()
    turns = iter([False] * 20)
    removals.keep_removing(lambda: next(turns, True))
    assert not Batch.objects.exists()
