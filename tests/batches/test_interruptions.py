"""What stops a batch without being its items' fault: a processor that is gone, code that changed."""

from __future__ import annotations

from typing import Any

import pytest

from batches import operations, processors, tasks
from batches.engine import code_versions, runner
from batches.exceptions import InvalidTransition, UnknownProcessor
from batches.models import Batch, Item
from batches.processors import processor
from tests import processors as behaviours
from tests.helpers import outside  # noqa: F401 - registers its processors
from tests.helpers.batches import item, modes, ran, statuses, submitted

pytestmark = pytest.mark.usefixtures("engine")


# -- the processor -----------------------------------------------------------------------------------------------------


def test_it_can_be_resumed_when_its_processor_is_there_again(ten_minutes_later: None) -> None:
    batch = submitted(modes("ok", "ok"))
    operations.start(batch.pk)
    known = processors._registry.pop("test.do")
    try:
        tasks.run_slice(batch.pk, 0)
        failed = operations.get_batch(batch.pk)
        assert (failed.status, statuses(batch)) == ("FAILED", ["PENDING", "PENDING"])
        assert "test.do" in failed.reason
        with pytest.raises(UnknownProcessor, match=r"test\.do"):
            operations.resume(batch.pk)
    finally:
        processors._registry["test.do"] = known
    assert operations.legal_verbs(failed) == ["resume"]
    operations.resume(batch.pk, actor="ana")
    runner.work_until_idle(batch.pk)
    assert operations.get_batch(batch.pk).status == "COMPLETED"
    assert operations.verify(batch.pk) == []


def test_it_says_in_its_history_that_the_code_changed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    batch = submitted(modes("ok", "ok", "ok"))
    operations.start(batch.pk)
    runner.work_slice(batch.pk, on_chunk=lambda: None, seconds=0)
    assert not batch.transitions.filter(verb="code").exists()
    first = operations.get_batch(batch.pk).code
    assert len(first) == 1
    monkeypatch.setattr(code_versions, "code_of", lambda processor: "0123456789ab")
    for _ in range(2):
        runner.work_slice(batch.pk, seconds=0)
    runner.work_until_idle(batch.pk)
    (told,) = batch.transitions.filter(verb="code")
    assert f"{first[0]} → 0123456789ab" in told.reason
    assert told.actor == "worker"
    assert "changed since the batch began" in caplog.text
    assert operations.verify(batch.pk) == []


def test_it_knows_a_processor_by_the_code_of_its_module() -> None:
    assert code_versions.code_of(processors.get("test.do")) != code_versions.code_of(processors.get("outside.call"))
    processor("test.builtin")(print)
    assert code_versions.code_of(processors._registry.pop("test.builtin")) == ""


# -- a batch within a batch --------------------------------------------------------------------------------------------


def test_it_does_not_run_a_batch_within_an_item_but_starts_one_after_its_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = submitted(modes("ok"), batch_id="inner")
    operations.start(inner.pk)

    def begin_another(payload: dict[str, Any], context: Any) -> str:
        another = submitted(modes("ok", "ok"), batch_id=f"of-{context.item_key}")
        return operations.start(another.pk).pk

    monkeypatch.setitem(behaviours.MODES, "run", lambda payload, context: runner.work_until_idle("inner"))
    monkeypatch.setitem(behaviours.MODES, "begin", begin_another)
    batch = ran(modes("run", "begin", "ok"), max_attempts=1)
    assert statuses(batch) == ["FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert "submit and start it there instead" in item(batch, 0).message
    assert statuses(inner) == ["PENDING"]
    assert operations.get_batch("of-2").status == "QUEUED"
    runner.work_until_idle()
    assert set(Item.objects.values_list("status", flat=True)) == {"SUCCEEDED", "FAILED"}
    assert all(operations.verify(pk) == [] for pk in Batch.objects.values_list("pk", flat=True))


def test_it_lets_an_item_pause_its_own_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(behaviours.MODES, "pause", lambda payload, context: operations.pause(context.batch_id).status)
    batch = ran(modes("ok", "pause", "ok", *["ok"] * 20), max_attempts=1)
    assert batch.status == "PAUSED"
    assert set(statuses(batch)) == {"SUCCEEDED", "PENDING"}
    with pytest.raises(InvalidTransition):
        operations.pause(batch.pk)
    assert operations.verify(batch.pk) == []
