"""Workers are shared fairly: a batch of many lanes does not keep a small one waiting."""

from __future__ import annotations

import pytest

from batches import operations, runner, tasks
from batches.models import Checkpoint
from tests.batches.factories import modes, statuses, submitted

pytestmark = pytest.mark.usefixtures("engine")


def test_it_works_first_on_a_batch_that_nobody_works_on() -> None:
    large, small = submitted(modes(*["ok"] * 30), concurrency=8), submitted(modes("ok", "ok"))
    operations.start(large.pk)
    operations.start(small.pk)
    lease = runner.begin(operations.get_batch(large.pk), 0)
    assert lease is not None
    tasks.run_slice(large.pk, 1)
    assert statuses(small) == ["SUCCEEDED", "SUCCEEDED"]
    assert operations.get_batch(small.pk).status == "COMPLETED"


def test_it_takes_the_message_by_its_word_when_nobody_is_needier() -> None:
    one, done = submitted(modes(*["ok"] * 5)), submitted(modes("ok"))
    operations.start(one.pk)
    assert tasks.needier_than(one.pk) is None
    runner.begin(operations.get_batch(one.pk), 0)
    assert tasks.needier_than(one.pk) is None
    operations.start(done.pk)
    assert tasks.needier_than(one.pk) == done.pk
    operations.cancel(done.pk)
    assert tasks.needier_than(one.pk) is None
    assert Checkpoint.objects.exclude(worker="").count() == 1
