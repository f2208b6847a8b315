"""How much the deletion of a batch slows one that runs: `python -m tests.bench.removal [--windows 10]`.

On PostgreSQL, as workers do it: a process runs a batch; another deletes one of a million items, of which a tenth
failed, in every second window of time. They are interleaved, so that a busy machine is as busy in both. Held: 10 %.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 6.0
SETTLING = 1.0
LOSS = 0.10
FILL = """
INSERT INTO batches_item (batch_id, position, key, payload, status, attempts, forgiven, crashes, lane, message, code,
  failed_at, started_at, finished_at)
SELECT 'gone', n, n::text, jsonb_build_object('n', n, 'note', repeat('x', 80)),
  CASE WHEN n % 10 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 1, 0, 0, 0, '', '',
  CASE WHEN n % 10 = 0 THEN now() END, now(), now()
FROM generate_series(0, {last}) n;
INSERT INTO errors_errorrecord (batch_id, item_id, group_id, item_key, position, attempt, error_type, code, category,
  classified_by, message, fields, final, started_at, finished_at, worker)
SELECT 'gone', i.id, {group}, i.key, i.position, 1, 'ValueError', 'BROKEN', 'validation', 'class', 'broken', '[]', true,
  now(), now(), '' FROM batches_item i WHERE i.batch_id = 'gone' AND i.status = 'FAILED';
INSERT INTO batches_idempotencyrecord (key, request_hash, state, worker, created_at, expires_at)
SELECT sha256(convert_to('gone:' || i.key || ':process', 'UTF8')), '', 'DONE', '', now(), now() + interval '24 hours'
FROM batches_item i WHERE i.batch_id = 'gone' AND i.status = 'SUCCEEDED';
ANALYZE;
"""
RUNS = "import django; django.setup(); from tests.bench import removal; removal.run()"
PENDING = """
INSERT INTO batches_item (batch_id, position, key, payload, status, attempts, forgiven, crashes, message, code)
SELECT 'runs', n, n::text, jsonb_build_object('n', n, 'note', repeat('x', 80)), 'PENDING', 0, 0, 0, '', ''
FROM generate_series(0, {last}) n;
"""
FASTEST = 6_000
"""Items a second that the running batch must last for."""
REMOVES = "import sys, django; django.setup(); from tests.bench import removal; removal.remove(sys.argv[1])"


def main() -> None:
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order

    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--windows", type=int, default=10, help="of each kind")
    options = parser.parse_args()
    end_in_order()
    server = PostgreSQL(settings=("fsync=on", "synchronous_commit=on")).start()
    try:
        with tempfile.TemporaryDirectory() as var:
            os.environ |= {"DATABASE_URL": server.create("removal"), "PORTAL_VAR": var, "LOG_LEVEL": "ERROR"}
            os.environ["DJANGO_SETTINGS_MODULE"] = "batchportal.settings"
            sys.exit(measure(options, Path(var) / "removing"))
    finally:
        server.stop()


def measure(options: argparse.Namespace, flag: Path) -> str | None:
    """Why it is not held; None if it is."""
    import django

    django.setup()
    from batches import operations
    from batches.models import Removal

    fill(options.items, int(2 * options.windows * (SECONDS + SETTLING) * FASTEST))
    operations.delete("gone")
    processes = [
        subprocess.Popen([sys.executable, "-c", RUNS]),
        subprocess.Popen([sys.executable, "-c", REMOVES, str(flag)]),
    ]
    try:
        while not done():
            time.sleep(0.2)
        alone, beside = Windows(processes[0].pid), Windows(processes[0].pid)
        for _ in range(options.windows):
            flag.unlink(missing_ok=True)
            alone.measure()
            flag.touch()
            beside.measure()
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
    gone = Removal.objects.get().removed_items
    ratios = [other / own for own, other in zip(alone.paces, beside.paces, strict=True)]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    print(f"alone {alone}, beside the deletion {beside}: {ratio:.3f}, half of the pairs {low:.3f} to {high:.3f}; "
          f"{gone:,} items gone, {gone / (options.windows * SECONDS):,.0f} a second")  # fmt: skip
    return None if ratio >= 1 - LOSS else f"more than {LOSS:.0%} are lost"


class Windows:
    """Windows of time of one kind: items a second in each, and the processor time that the worker took for them."""

    def __init__(self, pid: int) -> None:
        self.pid, self.paces, self.cpu = pid, list[float](), list[float]()

    def measure(self) -> None:
        """One more, once the window before has died away."""
        time.sleep(SETTLING)
        items, cpu, began = done(), cpu_seconds(self.pid), time.perf_counter()
        time.sleep(SECONDS)
        items = done() - items
        self.paces.append(items / (time.perf_counter() - began))
        self.cpu.append(1_000_000 * (cpu_seconds(self.pid) - cpu) / max(1, items))

    def __str__(self) -> str:
        return f"{statistics.median(self.paces):,.0f} items/s (CPU {statistics.median(self.cpu):,.0f} us an item)"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(items: int, pending: int) -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from batches.models import Batch, Checkpoint
    from errors.models import BatchGroup, ErrorGroup

    call_command("migrate", verbosity=0)
    now, failed = timezone.now(), -(-items // 10)
    seen = {"first_seen": now, "last_seen": now}
    group = ErrorGroup.objects.create(processor="bench.do", fingerprint="f" * 16, title="broken", code="BROKEN", **seen)
    batch = Batch.objects.create(
        pk="gone", processor="bench.do", status="COMPLETED", total_items=items, started_at=now, finished_at=now
    )
    Checkpoint.objects.create(batch=batch, succeeded=items - failed, failed=failed)
    BatchGroup.objects.create(batch=batch, group=group, errors=failed, items=failed, **seen)
    Batch.objects.create(pk="runs", processor="bench.runs", status="QUEUED", total_items=pending, checkpoint_every=50)
    with connection.cursor() as cursor:
        cursor.execute(PENDING.format(last=pending - 1))
        cursor.execute(FILL.format(last=items - 1, group=group.pk))


def done() -> int:
    from batches.models import Checkpoint

    return sum(Checkpoint.objects.filter(batch__processor="bench.runs").values_list("succeeded", flat=True))


def run() -> None:
    from batches.engine import runner
    from batches.processors import processor

    processor("bench.runs")(lambda payload, context: {"n": payload["n"]})
    runner.work_slice("runs", seconds=3_600)


def remove(flag: str) -> None:
    """As the beat's process does, while there is a flag."""
    from batches.lifecycle import removals

    while True:
        if Path(flag).exists():
            removals.work(lambda: not Path(flag).exists(), pause=True)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
