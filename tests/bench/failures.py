"""Failures and retries at size, on PostgreSQL: `python -m tests.bench.failures [--items 1000000] [--rounds 5]`.

A batch in which every item fails beside a clean one, interleaved. A retry of a batch of failed items, whose rows are
written by SQL: the engine's pace, beside a batch of the same number that is new, and the longest transaction with
which its items are put back. A merge of as many errors, while a lane records failures: how long that one waits.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
from collections.abc import Sequence
from time import perf_counter, process_time
from typing import Any

NEW_ITEMS = """
INSERT INTO batches_item (batch_id, position, key, payload, status, attempts, forgiven, crashes, message, code)
SELECT %(batch)s, n, n::text, jsonb_build_object('n', n, 'name', 'item'), 'PENDING', 0, 0, 0, '', ''
FROM generate_series(0, %(items)s - 1) n
"""
FAIL_ITEMS = """
UPDATE batches_item SET status = 'FAILED', attempts = 1, lane = 0, code = 'BROKEN', message = 'broken',
  failed_at = now(), started_at = now(), finished_at = now() WHERE batch_id = %(batch)s;
INSERT INTO errors_errorrecord (batch_id, item_id, group_id, item_key, position, attempt, error_type, code, category,
  classified_by, message, fields, final, started_at, finished_at, worker)
SELECT batch_id, id, %(group)s, key, position, 1, 'ValueError', 'BROKEN', 'validation', 'class', 'broken', '[]', true,
  now(), now(), '' FROM batches_item WHERE batch_id = %(batch)s;
INSERT INTO errors_batchgroup (batch_id, group_id, errors, items, failing, first_seen, last_seen)
VALUES (%(batch)s, %(group)s, %(items)s, %(items)s, %(items)s, now(), now());
UPDATE batches_checkpoint SET failed = %(items)s, position = %(items)s - 1 WHERE batch_id = %(batch)s;
"""
PACE, WAIT = 0.7, 1.0
"""Of a clean batch, at least; seconds that a lane waits, at most."""
PROCESSORS = ("bench.noop", "bench.fail", "bench.refuse")


def main() -> None:
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order

    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1_000_000, help="failed items of the retry, errors of the merge")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--of-round", type=int, default=5_000, help="items")
    parser.add_argument("--only", choices=("pace", "retry", "merge"))
    options = parser.parse_args()
    end_in_order()
    server = PostgreSQL(settings=("fsync=on", "synchronous_commit=on", "max_wal_size=4GB")).start()
    try:
        with tempfile.TemporaryDirectory() as var:
            os.environ |= {"DATABASE_URL": server.create("failures"), "PORTAL_VAR": var, "LOG_LEVEL": "ERROR"}
            os.environ |= {"DJANGO_SETTINGS_MODULE": "batchportal.settings", "CELERY_BROKER_URL": "memory://"}
            os.environ["PORTAL_PROCESSORS"] = "tests.bench.processors"
            measure(options)
    finally:
        server.stop()


def measure(options: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    for name, part in (("pace", pace), ("retry", retry), ("merge", merge)):
        if options.only in (None, name):
            part(options)


# -- every item fails --------------------------------------------------------------------------------------------------


def pace(options: argparse.Namespace) -> None:
    from tests.bench.engine import spread

    took: dict[str, list[Sequence[float]]] = {name: [] for name in PROCESSORS}
    for number in range(options.rounds + 1):  # the first one warms up
        for name in PROCESSORS:
            new_batch(f"{name}-{number}", name, options.of_round)
            took[name].append(run(f"{name}-{number}", options.of_round))
    for name in PROCESSORS:
        rounds = took[name][1:]
        total, client, server = (spread(list(column)) for column in zip(*rounds, strict=True))
        print(f"{name:<13} us an item: {total}; CPU of client {client}, of server {server}")
        for what, column in (("time", slice(0, 1)), ("CPU", slice(1, 3))):
            pairs = zip(took["bench.noop"][1:], rounds, strict=True)
            ratios = [sum(clean[column]) / sum(own[column]) for clean, own in pairs]
            held = statistics.median(ratios) >= PACE
            print(f"  pace beside a clean batch by {what}: {statistics.median(ratios):.2f} "
                  f"({min(ratios):.2f}-{max(ratios):.2f}); at least {PACE} {'ok' if held else 'MISSED'}")  # fmt: skip


def new_batch(batch_id: str, processor: str, items: int) -> None:
    from batches import operations
    from batches.models import Batch

    operations.submit(processor=processor, items=[{"n": 0}], batch_id=batch_id, max_attempts=1)
    ask("DELETE FROM batches_item WHERE batch_id = %(batch)s", batch=batch_id)
    ask(NEW_ITEMS, batch=batch_id, items=items)
    Batch.objects.filter(pk=batch_id).update(status="QUEUED", total_items=items)


def run(batch_id: str, items: int) -> tuple[float, float, float]:
    """Microseconds an item: in all, of the client's CPU, of the server's."""
    from batches.engine import runner
    from tests.bench.engine import backend_seconds

    began, client, (_, server) = perf_counter(), process_time(), backend_seconds()
    while runner.work_slice(batch_id, seconds=3_600):
        pass
    spent = perf_counter() - began, process_time() - client, backend_seconds()[1] - server
    return tuple(seconds / items * 1e6 for seconds in spent)  # type: ignore[return-value]


def ask(sql: str, **values: Any) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


# -- a retry -----------------------------------------------------------------------------------------------------------


def failed_batch(batch_id: str, items: int, title: str) -> int:
    """A batch of which every item has failed in one way; the id of that group."""
    from django.utils import timezone

    from batches.engine import runner
    from batches.models import Batch
    from errors.models import ErrorGroup

    now = timezone.now()
    common = {"processor": "bench.noop", "error_type": "ValueError", "code": "BROKEN", "category": "validation"}
    group = ErrorGroup.objects.create(fingerprint=title, title=title, first_seen=now, last_seen=now, **common)
    new_batch(batch_id, "bench.noop", items)
    runner.work_slice(batch_id, seconds=0)  # its lane
    ask(FAIL_ITEMS, batch=batch_id, items=items, group=group.pk)
    ask("VACUUM ANALYZE")
    Batch.objects.filter(pk=batch_id).update(status="COMPLETED", started_at=now, finished_at=now)
    return int(group.pk)


def retry(options: argparse.Namespace) -> None:
    from batches import operations
    from batches.lifecycle import retry_lists, retry_waves
    from batches.models import Item

    failed_batch("retried", options.items, "broken")
    new_batch("fresh", "bench.noop", options.items)
    ask("VACUUM ANALYZE")
    waves, pieces = timed(retry_waves, "step"), timed(retry_lists, "write_piece")
    began = perf_counter()
    operations.retry("retried", all_failed=True)
    print(f"retry of {options.items:,} items: answered in {perf_counter() - began:.2f} s")
    fresh, retried = run("fresh", options.items), run("retried", options.items)
    left = Item.objects.filter(batch="retried").exclude(status="SUCCEEDED").count()
    print(f"  {left} items left; us an item, in all, of the client's CPU and of the server's: new "
          f"{'  '.join(f'{n:.0f}' for n in fresh)}, retried {'  '.join(f'{n:.0f}' for n in retried)}")  # fmt: skip
    for what, seconds in (("put back", waves), ("written down", pieces)):
        print(f"  {what} in {len(seconds)} transactions: {sum(seconds):.1f} s in all, {max(seconds):.2f} s the longest")
    ratio = fresh[0] / retried[0]
    print(f"  pace beside a new batch: {ratio:.2f} by time, {sum(fresh[1:]) / sum(retried[1:]):.2f} by CPU", flush=True)


def timed(module: Any, name: str) -> list[float]:
    """From now on, how long each call of a module's function takes."""
    seconds, original = [0.0], getattr(module, name)

    def call(*args: Any) -> Any:
        began = perf_counter()
        try:
            return original(*args)
        finally:
            seconds.append(perf_counter() - began)

    setattr(module, name, call)
    return seconds


# -- a merge -----------------------------------------------------------------------------------------------------------


def merge(options: argparse.Namespace) -> None:
    from errors.groups import background, regrouping

    large, other = failed_batch("merged", options.items, "large"), failed_batch("small", 100, "other")
    new_batch("recorded", "bench.fail", 1_000_000)
    job = background.regroup("merge", large, other, actor="bench")
    over, waits = threading.Event(), list[float]()
    lane = threading.Thread(target=record, args=(over, waits))
    lane.start()
    began, client = perf_counter(), process_time()
    while background.run(job.pk):
        pass
    seconds, spent = perf_counter() - began, process_time() - client
    over.set()
    lane.join()
    print(f"merge of {options.items:,} errors: {seconds:.0f} s ({spent:.0f} s CPU of this process and its lane)")
    longest, median = max(waits), statistics.median(waits)
    held = "ok" if longest <= WAIT else "MISSED"
    print(f"  meanwhile a lane recorded {len(waits):,} chunks of failures; the median took {median * 1000:.0f} ms, the "
          f"longest {longest:.2f} s; at most {WAIT:g} s {held}")  # fmt: skip
    began = perf_counter()
    regrouping.begin_split(other, large)
    print(f"  the beginning of taking them out again: {perf_counter() - began:.3f} s", flush=True)


def record(over: threading.Event, waits: list[float]) -> None:
    """A lane that does nothing but fail; how long each of its chunks took."""
    from django.db import connection

    from batches.engine import runner

    last = [perf_counter()]

    def note() -> None:
        waits.append(perf_counter() - last[0])
        last[0] = perf_counter()

    runner.work_slice("recorded", seconds=3_600, should_stop=over.is_set, on_chunk=note)
    connection.close()


if __name__ == "__main__":
    main()
