"""A million errors as CSV out of a real web process on PostgreSQL: rows a second, and how large the process gets.

Beside it, interleaved, the same rows from a view written by hand (`bench.plain_export`), and PostgreSQL's own COPY.
"""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

ROWS, PART, GROUPS, ROUNDS = 1_000_000, 50_000, 50, 3
FILL = """
INSERT INTO batches_item (batch_id, position, key, payload, status, attempts, forgiven, crashes, lane, message, code,
  failed_at, started_at, finished_at)
SELECT 'big', n, 'INV-' || n, jsonb_build_object('n', n), 'FAILED', 1, 0, 0, 0, 'broken', 'BROKEN', now(), now(), now()
FROM generate_series(0, {last}) n;
INSERT INTO errors_errorrecord (batch_id, item_id, group_id, item_key, position, attempt, error_type, code, category,
  classified_by, retryable, message, fields, traceback_id, final, started_at, finished_at, worker)
SELECT 'big', i.id, {first_group} + i.position % {groups}, i.key, i.position, 1, 'ValueError', 'BROKEN', 'validation',
  'class', false, 'Invoice ' || i.key || ' rejected: amount ' || i.position % 977 || '.50, "EUR" expected', '[]',
  '\\x{sha}', true, now() - interval '80 ms', now() + i.position * interval '1 ms', 'worker-1:4711:12345'
FROM batches_item i WHERE i.batch_id = 'big';
"""
COPY = """COPY (SELECT r.batch_id, r.position, r.item_key, r.attempt, r.started_at, r.finished_at,
  extract(epoch FROM r.finished_at - r.started_at), r.worker, r.category, r.error_type, r.code, r.message, g.title,
  r.group_id, g.state, r.retryable, i.status, r.traceback_id, r.id FROM errors_errorrecord r
  JOIN errors_errorgroup g ON g.id = r.group_id LEFT JOIN batches_item i ON i.id = r.item_id
  WHERE r.batch_id = 'big' ORDER BY r.id) TO STDOUT (FORMAT csv)"""


def main() -> None:
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order

    end_in_order()
    server = PostgreSQL().start()
    try:
        with tempfile.TemporaryDirectory() as var:
            os.environ |= {"PORTAL_VAR": var, "DJANGO_SETTINGS_MODULE": "batchportal.settings", "LOG_LEVEL": "ERROR"}
            os.environ |= {"DATABASE_URL": server.create("bench"), "CELERY_BROKER_URL": "memory://"}
            os.environ |= {"PORTAL_EXPORT_ROWS": str(ROWS), "PORTAL_EXPORT_XLSX_ROWS": str(ROWS)}
            measure()
    finally:
        server.stop()


def measure() -> None:
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from batches import operations

    call_command("migrate", verbosity=0)
    request = operations.TokenRequest(User.objects.create_superuser("bench", "", "bench"), "bench", scope="admin")
    token = operations.create_token(request, actor="bench").key
    fill()
    ours, theirs, copied = [], [], []
    with serving("batchportal.web") as (port, pid), serving("tests.bench.plain_export") as (other, peer):
        download(port, "/api/batches/big/errors/export/csv?positions=0-999", token, 1_000)
        before = resident(pid), resident(peer)
        for _ in range(ROUNDS):
            ours.append(download(port, "/api/batches/big/errors/export/csv", token))
            theirs.append(download(other, "/plain"))
            copied.append(copy())
        after = peak(pid), peak(peer)
        part = f"?positions=0-{PART - 1}"
        others = {
            name: download(port, f"/api/batches/big/errors/export/{name}{part}", token, PART)
            for name in ("ndjson", "json", "xlsx")
        }
    ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    print(f"{ROWS:,} errors as CSV, formula-safe, streamed: {statistics.median(ours):,.0f} rows/s")
    print(f"  plain blocks of 2,000 rows:  {statistics.median(theirs):,.0f} rows/s; ratio {ratio:.2f} (at least 1.0)")
    print(f"  COPY, no web server:         {statistics.median(copied):,.0f} rows/s")
    print(f"  {PART:,} of them as {', '.join(f'{name} {speed:,.0f}' for name, speed in others.items())} rows/s")
    for name, was, now in zip(("web process", "plain blocks"), before, after, strict=True):
        print(f"{name}: at most {now:.0f} MB, {now - was:.0f} MB more than before the first of {ROUNDS} downloads")


def fill() -> None:
    """A batch whose every item failed, in fifty groups."""
    from django.db import connection
    from django.utils import timezone

    from batches.models import Batch, Checkpoint
    from errors.models import BatchGroup, ErrorGroup, Traceback

    now = timezone.now()
    batch = Batch.objects.create(
        pk="big", processor="bench.fail", status="COMPLETED", total_items=ROWS, finished_at=now
    )
    Checkpoint.objects.create(batch=batch, lane=0, failed=ROWS, position=ROWS - 1)
    common = {"processor": "bench.fail", "error_type": "ValueError", "code": "BROKEN", "category": "validation"}
    groups = ErrorGroup.objects.bulk_create(
        ErrorGroup(
            fingerprint=f"{n:016x}", title=f"Invoice <key> rejected: {n}", first_seen=now, last_seen=now, **common
        )
        for n in range(GROUPS)
    )
    each = ROWS // GROUPS
    BatchGroup.objects.bulk_create(
        BatchGroup(batch=batch, group=group, errors=each, items=each, first_seen=now, last_seen=now) for group in groups
    )
    stack = Traceback.objects.create(sha256="ab" * 32, frame="shop.check", text="...")
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(last=ROWS - 1, first_group=groups[0].pk, groups=GROUPS, sha=stack.sha256))
        cursor.execute("VACUUM ANALYZE")


@contextmanager
def serving(module: str) -> Iterator[tuple[int, int]]:
    """A web process; its port and process id."""
    from tests.servers.ports import free_port

    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", module], env=os.environ | {"PORT": str(port), "PORTAL_WEB": "1"})
    try:
        wait_for(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def wait_for(port: int) -> None:
    import time

    for _ in range(300):
        try:
            link = http.client.HTTPConnection("127.0.0.1", port)
            link.request("GET", "/healthz")
            link.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the web process does not answer")


def download(port: int, address: str, token: str = "", rows: int = ROWS) -> float:
    """Rows a second of a whole download."""
    link = http.client.HTTPConnection("127.0.0.1", port)
    began = perf_counter()
    link.request("GET", address, headers={"Authorization": f"Token {token}"} if token else {})
    answer = link.getresponse()
    size = 0
    while block := answer.read(1 << 18):
        size += len(block)
    seconds = perf_counter() - began
    assert answer.status == 200
    assert size > 50 * rows, size
    return rows / seconds


class Nowhere:
    def write(self, block: object) -> None:
        pass


def copy() -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        began = perf_counter()
        cursor.copy_expert(COPY, Nowhere())
        return ROWS / (perf_counter() - began)


def resident(pid: int) -> float:
    return status(pid, "VmRSS")


def peak(pid: int) -> float:
    return status(pid, "VmHWM")


def status(pid: int, name: str) -> float:
    """Megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    main()
