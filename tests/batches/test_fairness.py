"""Workers are shared fairly: a batch of many lanes does not keep a small one waiting."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from batches import operations, tasks
from batches.engine import slices
from batches.models import Checkpoint
from tests.helpers.batches import modes, statuses, submitted
from tests.helpers.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("engine")


def test_it_works_first_on_a_batch_that_nobody_works_on() -> None:
    large, small = submitted(modes(*["ok"] * 30), concurrency=8), submitted(modes("ok", "ok"))
    operations.start(large.pk)
    operations.start(small.pk)
    lease = slices.take_lane(operations.get_batch(large.pk), 0)
    assert lease is not None
    tasks.run_slice(large.pk, 1)
    assert statuses(small) == ["SUCCEEDED", "SUCCEEDED"]
    assert operations.get_batch(small.pk).status == "COMPLETED"


def test_it_takes_the_message_by_its_word_when_nobody_is_needier() -> None:
    one, done = submitted(modes(*["ok"] * 5)), submitted(modes("ok"))
    operations.start(one.pk)
    assert tasks.neglected_batch(one.pk) is None
    slices.take_lane(operations.get_batch(one.pk), 0)
    assert tasks.neglected_batch(one.pk) is None
    operations.start(done.pk)
    assert tasks.neglected_batch(one.pk) == done.pk
    operations.cancel(done.pk)
    assert tasks.neglected_batch(one.pk) is None
    assert Checkpoint.objects.exclude(worker="").count() == 1


def test_it_works_side_by_side_on_as_many_lanes_as_it_is_given_while_it_runs(
    in_process: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("one writer, one lane")
    first, later = tmp_path / "first", tmp_path / "later"
    first.mkdir()
    later.mkdir()
    rows = [*modes("meet", place=str(first), others=2), *modes(*["meet"] * 8, place=str(later), others=4)]
    batch = submitted(rows, checkpoint_every=1, max_attempts=1, item_timeout=39)
    operations.start(batch.pk)
    source = "import sys; from batches.engine import runner; runner.work_until_idle(sys.argv[1])"
    workers = [in_process(source, batch.pk) for _ in range(4)]
    wait_until(lambda: (first / "1").exists())
    assert Checkpoint.objects.filter(batch=batch).exclude(worker="").count() == 1
    operations.adjust(batch.pk, concurrency=4, actor="ana")
    (first / "go").touch()
    said = [worker.communicate(timeout=PATIENCE)[1] for worker in workers]
    assert statuses(batch) == ["SUCCEEDED"] * 9, said
    assert Checkpoint.objects.filter(batch=batch, succeeded__gt=0).count() == 4
    assert operations.verify(batch.pk) == []
