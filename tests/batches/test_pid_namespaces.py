"""Workers in containers that share a host's name: neither takes the other's living calls for a dead worker's."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

import tests.helpers.outside  # noqa: F401 - its processors
from batches import operations
from batches.models import Tenure
from tests.helpers.batches import statuses
from tests.helpers.processes import IN_A_NAMESPACE, may_unshare
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
Start = Callable[..., subprocess.Popen[str]]
ITEMS, SECONDS = 120, 1.5
WORK = """
import sys, time, tests.helpers.outside
from batches.engine import presence, runner
from batches.models import Batch
from batches.worker_names import worker_name
presence.register()
print(worker_name(), flush=True)
input()
while Batch.objects.filter(pk=sys.argv[1], status__in=Batch.ACTIVE).exists():
    runner.work_until_idle(sys.argv[1])
    time.sleep(0.05)
"""


@pytest.mark.full
def test_workers_of_two_namespaces_call_each_item_once_and_quarantine_none(in_process: Start, tmp_path: Path) -> None:
    if not may_unshare():
        pytest.skip("only root may make a PID namespace")
    log = tmp_path / "calls.log"
    items = [{"mode": "slow", "seconds": SECONDS, "log": str(log), "n": n} for n in range(ITEMS)]
    batch = operations.submit(processor="outside.call", items=items, batch_id="two-houses", concurrency=2).batch
    operations.start(batch.pk)
    workers = [in_process(WORK, batch.pk, inside=IN_A_NAMESPACE) for _ in range(2)]
    names = [worker.stdout.readline().strip() for worker in workers if worker.stdout]
    assert len({name.split(":")[1] for name in names}) == 2, "each is of a namespace of its own"
    assert len({name.split(":")[0] for name in names}) == 1, "on a host of the same name"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        _, complaint = worker.communicate(timeout=PATIENCE)
        assert worker.returncode == 0, complaint
    calls = Counter(line.split()[0] for line in log.read_text().splitlines())
    assert calls == Counter(map(str, range(ITEMS)))
    assert statuses(batch) == ["SUCCEEDED"] * ITEMS
    assert operations.verify(batch.pk) == []
    holders = set(Tenure.objects.filter(batch=batch).values_list("worker", flat=True))
    assert holders == set(names) if connection.vendor == "postgresql" else holders <= set(names)
