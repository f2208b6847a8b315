"""The pages at 1,000,000 items and 1,000,000 error records on PostgreSQL: time to first paint, and queries.

`python -m tests.bench.desk [--items N]`. A page is asked for as a browser does; the figure is the server's whole work.
What a page does not wait for (the map, the timeline, the search for patterns) is printed beside it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from time import perf_counter
from typing import Any

ITEMS, GROUPS, ROUNDS, MOST_MS, MOST_QUERIES = 1_000_000, 50, 15, 200, 45

FILL = """
INSERT INTO batches_item (batch_id, position, key, payload, status, attempts, forgiven, crashes, lane, message, code,
  failed_at, started_at, finished_at)
SELECT 'big', n, 'SKU-' || n, jsonb_build_object('n', n, 'sku', 'SKU-' || n,
    'country', (ARRAY['DE','FR','IT'])[n % 3 + 1]),
  CASE WHEN n % 2 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 1 + (n + 1) % 2, 0, 0, 0,
  CASE WHEN n % 2 = 0 THEN 'broken' ELSE '' END, CASE WHEN n % 2 = 0 THEN 'BROKEN' ELSE '' END,
  CASE WHEN n % 2 = 0 THEN now() END, now() - interval '3 hours' + n * interval '10 ms',
  now() - interval '3 hours' + n * interval '10 ms' FROM generate_series(0, {last}) n;
INSERT INTO errors_errorrecord (batch_id, item_id, group_id, item_key, position, attempt, error_type, code, category,
  classified_by, message, fields, final, started_at, finished_at, worker)
SELECT 'big', i.id, {first_group} + i.position / 2 % {groups}, i.key, i.position, a, 'ValueError', 'BROKEN',
  'validation', 'class', 'broken ' || i.position, '[]', a = 2, i.started_at,
  i.finished_at + (a - 1) * interval '30 s', ''
FROM batches_item i, generate_series(1, 2) a WHERE i.batch_id = 'big' AND i.position % 2 = 0;
"""


def main() -> None:
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=ITEMS)
    items = parser.parse_args().items
    end_in_order()
    server = PostgreSQL(settings=("fsync=on", "synchronous_commit=on")).start()
    try:
        with tempfile.TemporaryDirectory() as var:
            os.environ |= {"PORTAL_VAR": var, "DJANGO_SETTINGS_MODULE": "batchportal.settings", "LOG_LEVEL": "ERROR"}
            os.environ |= {"DATABASE_URL": server.create("bench"), "CELERY_BROKER_URL": "memory://"}
            os.environ["ALLOWED_HOSTS"] = "testserver"
            sys.exit(measure(items))
    finally:
        server.stop()


def measure(items: int) -> int:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    group, failed = fill(items), items // 2
    desk, slow = "/admin/errors/errorgroup/desk/big/", []
    print(
        f"{items:,} items, {2 * failed:,} error records in {GROUPS} groups; medians of {ROUNDS}, at most {MOST_MS} ms"
    )
    client = signed_in()
    for name, address in {
        "desk, before anything was counted": desk,
        "batch page, before anything was counted": "/admin/batches/batch/big/change/",
    }.items():
        slow += shown(name, client, address)
    waited("map", lambda: client.get("/api/batches/big/map"))
    waited("timeline", lambda: client.get(f"{desk}ready/"))
    waited("patterns, by a worker", look)
    for name, address in {
        "desk": desk,
        "desk, filtered": f"{desk}?category=validation&text=broken",
        "desk, a position range": f"{desk}?positions=1000-1999",
        "desk, a payload field in a range": f"{desk}?positions=1000-1999&field=country=DE",
        "desk over all batches": "/admin/errors/errorgroup/desk/",
        "group page": f"{desk}group/{group}/",
        "group page, its items": f"{desk}group/{group}/?tab=items",
        "batch page": "/admin/batches/batch/big/change/",
        "batch list": "/admin/batches/batch/",
        "errors one by one": f"{desk}records/",
        "errors one by one, deep": f"{desk}records/?after={failed}",
        "errors of a group": f"{desk}records/?group={group}",
        "errors of a time": f"{desk}records/?since={minutes(170)}&until={minutes(169)}",
        "items of a bin": "/admin/batches/item/?batch__id__exact=big&position__gte=1000&position__lte=1999",
    }.items():
        slow += shown(name, client, address)
    if slow:
        print(f"too slow: {', '.join(slow)}")
    return bool(slow)


def fill(items: int) -> str:
    """The tables as a run would have left them; the fingerprint of a group."""
    from django.db import connection
    from django.utils import timezone

    from batches.models import Batch, Checkpoint
    from errors.models import BatchGroup, ErrorGroup

    now, failed = timezone.now(), items // 2
    batch = Batch.objects.create(
        pk="big", processor="check_rows", status="COMPLETED", total_items=items, finished_at=now, started_at=now
    )
    Checkpoint.objects.create(batch=batch, failed=failed, succeeded=items - failed, position=items - 1, sequence=items)
    common = {"processor": "check_rows", "error_type": "ValueError", "code": "BROKEN", "category": "validation"}
    groups = ErrorGroup.objects.bulk_create(
        ErrorGroup(fingerprint=f"{n:016x}", title=f"broken {n}", first_seen=now, last_seen=now, **common)
        for n in range(GROUPS)
    )
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(last=items - 1, first_group=groups[0].pk, groups=GROUPS))
        cursor.execute(
            "INSERT INTO errors_batchgroup (batch_id, group_id, errors, items, first_seen, last_seen) SELECT 'big', "
            "group_id, count(*), count(*) / 2, min(finished_at), max(finished_at) FROM errors_errorrecord GROUP BY 2"
        )
        cursor.execute("VACUUM ANALYZE")
    assert BatchGroup.objects.count() == GROUPS
    return groups[7].fingerprint


def signed_in() -> Any:
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client()
    client.force_login(get_user_model().objects.create_superuser("admin", "", "admin"))
    return client


def shown(name: str, client: Any, address: str, rounds: int = ROUNDS) -> list[str]:
    """Print a page's time and queries; its name if it is too slow. The first one loads modules: not counted."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(address)
    times = []
    with CaptureQueriesContext(connection) as queries:
        for _ in range(rounds):
            began = perf_counter()
            answer = client.get(address)
            times.append(1000 * (perf_counter() - began))
            assert answer.status_code == 200, (address, answer.status_code)
    spent, asked = statistics.median(times), len(queries) / rounds
    worst = max(queries.captured_queries, key=lambda query: float(query["time"]))
    size = len(answer.content) / 1000
    print(f"{name:>42}: {spent:5.0f} ms (best {min(times):4.0f}), {asked:3.0f} queries, {size:4.0f} kB", flush=True)
    if spent > MOST_MS:
        print(f"{'':>42}  {worst['time']} s: {worst['sql'][:300]}")
    return [name] if spent > MOST_MS or asked > MOST_QUERIES else []


def waited(name: str, work: Callable[[], Any]) -> None:
    began = perf_counter()
    work()
    print(f"{f'not waited for: {name}':>42}: {1000 * (perf_counter() - began):5.0f} ms")


def look() -> None:
    from errors.tasks import look

    look("big")


def minutes(ago: int) -> str:
    from datetime import timedelta
    from urllib.parse import quote

    from django.utils import timezone

    return quote((timezone.now() - timedelta(minutes=ago)).isoformat())


if __name__ == "__main__":
    main()
