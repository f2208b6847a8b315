"""What recording errors costs the engine, and what reading a million of them costs; a process of `bench.triage`."""

from __future__ import annotations

import resource
import statistics
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from tests.bench.triage import RECORDED, RECORDS, ROUNDS

REPORTS = 20


def main(what: str) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    {"recording": recording, "report": report}[what]()


def recording() -> None:
    """Batches in which no item fails, and in which every one does, one after the other."""
    well, badly = [], []
    for number in range(ROUNDS + 1):
        one, other = drained(f"well-{number}", fails=False), drained(f"badly-{number}", fails=True)
        if number:  # the first round warms both up
            well.append(one)
            badly.append(other)
    ratio = statistics.median(theirs / its for its, theirs in zip(well, badly, strict=True))
    print(
        f"recording: {statistics.median(well):,.0f} items/s when none fails, "
        f"{statistics.median(badly):,.0f} when every one does ({ratio:.2f})"
    )


def drained(name: str, *, fails: bool) -> float:
    from batches import operations
    from batches.engine import runner
    from batches.processors import processor

    processor("bench.fail")(fail)
    items = [{"n": n, "sku": f"A-{n:05}", "fails": fails} for n in range(RECORDED)]
    operations.submit(processor="bench.fail", items=items, batch_id=name)
    operations.start(name)
    began = perf_counter()
    runner.work_slice(name, seconds=3_600)
    return RECORDED / (perf_counter() - began)


def fail(payload: dict[str, Any], context: Any) -> None:
    if payload["fails"]:
        raise ValueError(f"row {payload['n']}: {payload['sku']} is not known")


FILL = """
INSERT INTO batches_item (batch_id, position, key, payload, status, attempts, forgiven, crashes, lane, message, code,
  failed_at, started_at, finished_at)
SELECT 'big', n, n::text, jsonb_build_object('n', n), 'FAILED', 1, 0, 0, 0, 'broken', 'BROKEN', now(), now(), now()
FROM generate_series(0, {last}) n;
INSERT INTO errors_errorrecord (batch_id, item_id, group_id, item_key, position, attempt, error_type, code, category,
  classified_by, message, fields, final, started_at, finished_at, worker)
SELECT 'big', i.id, {first_group} + i.position % {groups}, i.key, i.position, 1, 'ValueError', 'BROKEN', 'validation',
  'class', 'broken', '[]', true, now(), now(), '' FROM batches_item i WHERE i.batch_id = 'big';
"""


def report() -> None:
    """A batch with a million error records in fifty groups."""
    from django.db import connection
    from django.utils import timezone

    from batches.models import Batch, Checkpoint
    from errors import error_analyzer
    from errors.models import BatchGroup, ErrorGroup

    now = timezone.now()
    batch = Batch.objects.create(
        pk="big", processor="bench.fail", status="COMPLETED", total_items=RECORDS, finished_at=now
    )
    Checkpoint.objects.create(batch=batch, lane=0, failed=RECORDS, position=RECORDS - 1)
    common = {"processor": "bench.fail", "error_type": "ValueError", "code": "BROKEN", "category": "validation"}
    groups = ErrorGroup.objects.bulk_create(
        ErrorGroup(fingerprint=f"{n:016x}", title=f"broken {n}", first_seen=now, last_seen=now, **common)
        for n in range(50)
    )
    each = RECORDS // len(groups)
    BatchGroup.objects.bulk_create(
        BatchGroup(batch=batch, group=group, errors=each, items=each, first_seen=now, last_seen=now) for group in groups
    )
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(last=RECORDS - 1, first_group=groups[0].pk, groups=len(groups)))
        cursor.execute("ANALYZE")
    said("report", lambda: error_analyzer.aggregate_errors("big").to_dict())
    said("report over REST", over_rest())
    findings_and_advice(batch)
    said("report with findings and advice", lambda: error_analyzer.aggregate_errors("big").to_dict())
    retried()


def said(what: str, ask: Callable[[], Any]) -> None:
    times = []
    for _ in range(REPORTS):
        began = perf_counter()
        ask()
        times.append(1000 * (perf_counter() - began))
    first, rest = times[0], statistics.median(times[1:])
    print(f"{what} of {RECORDS:,} error records: {first:.0f} ms at first, then {rest:.0f} ms (at most 200 ms)")


def over_rest() -> Callable[[], Any]:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.create_superuser("bench"))

    def ask() -> None:
        answer = client.get("/api/batches/big/errors")
        assert answer.json()["total_errors"] == RECORDS, answer.content[:300]

    return ask


def findings_and_advice(batch: Any) -> None:
    """What the sweep does once, when so large a batch is over."""
    from errors.findings import findings_of
    from errors.recovery import recommendations

    for what, work in (
        ("findings", partial(findings_of, batch)),
        ("advice", partial(recommendations.listed, batch, RECORDS)),
    ):
        began = perf_counter()
        work()
        print(
            f"{what} of {RECORDS:,} failed items, worked out once: {perf_counter() - began:.1f} s, peak {peak():.0f} MB"
        )


def retried() -> None:
    """A bulk retry of a million items: written down before any is touched, and put back."""
    from batches import operations

    before, began = peak(), perf_counter()
    made = operations.retry("big", all_failed=True, canary=20, permanent=True)
    seconds = perf_counter() - began
    print(
        f"retry that means {made.items:,} items, written down: {seconds:.0f} s, {peak() - before:+.0f} MB at its peak"
    )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1])
