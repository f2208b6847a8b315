"""What the claim of calls to the outside writes down, and what it looks up, before any of them begins."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from batches import clock, operations
from batches.engine import runner
from batches.keys import PROCESS, key_of
from batches.models import IdempotencyRecord, Item
from tests.helpers import outside
from tests.helpers.batches import item, statuses

pytestmark = pytest.mark.usefixtures("engine")
KEYS = ["größe 1", "a:b", "\N{SNOWMAN}", 'a"b\\c']


def test_it_calls_nobody_for_an_item_whose_key_is_done_already(tmp_path: Path) -> None:
    rows = [{"log": str(tmp_path / "calls.log")}] * outside.SIDE_BY_SIDE
    batch = operations.submit(processor="outside.call", items=rows, batch_id="outside", actor="ana").batch
    for position, key in enumerate(KEYS):
        Item.objects.filter(batch=batch, position=position).update(key=key)
    now = clock.now()
    for key, hours, response in ((KEYS[0], 1, {"n": 7}), (KEYS[1], 1, None), (KEYS[2], -1, {"n": 9})):
        record = key_of(batch.pk, key, PROCESS)
        expires_at = now + timedelta(hours=hours)
        IdempotencyRecord.objects.create(key=record, response=response, created_at=now, expires_at=expires_at)
    operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    called = [int(line.split()[0]) for line in (tmp_path / "calls.log").read_text().splitlines()]
    assert sorted(called) == [2, 3]
    assert set(statuses(batch)) == {"SUCCEEDED"}
    assert [item(batch, position).result for position in range(4)] == [{"n": 7}, None, {"position": 2}, {"position": 3}]
    assert list(IdempotencyRecord.objects.values_list("state", flat=True)) == ["DONE"] * len(KEYS)
    assert operations.verify(batch.pk) == []
