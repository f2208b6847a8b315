"""What a month leaves, and what retention frees: `python -m tests.bench.growth [--days N] [--batches N] [--items N]`.

On PostgreSQL. Two batches are run by the engine, a tenth of their items fails; the others are copies of their rows, a
day's batches by one statement a table, as running them would take hours. In every tenth batch the failures are open:
they need attention, and retention leaves them. Prints rows and bytes, table by table, as docs/growth.md has them, and
what lists of batches take; then rules delete the batches of the oldest sixth of the days, and archive the next sixth.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from time import perf_counter
from typing import Any

SETTLED, OPEN = "growth-settled", "growth-open"
"""The batches that are run, and copied: of the failures of the second, nobody has settled any."""
NUMBERS = {SETTLED: "n % 10 <> 0", OPEN: "n % 10 = 0"}
FAILS_EVERY = 10
MEGABYTE = 1_000_000
ROUNDS, LIMIT_MS = 5, 150
OF_BATCHES = ("batches_checkpoint", "batches_transition", "batches_milestone", "batches_sample", "batches_tenure",
              "batches_map", "errors_batchgroup")  # fmt: skip
"""Tables that are copied as they are, but for the batch."""
COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_identity = 'NO'"
REMEMBER = """
INSERT INTO batches_idempotencyrecord (key, request_hash, state, worker, response, created_at, expires_at)
SELECT sha256(convert_to(names.name || ':' || i.key || ':process', 'UTF8')), '', 'DONE', '', i.result, {ended},
  {ended} + interval '24 hours'
FROM {names} JOIN batches_item i ON i.batch_id = names.name WHERE i.status = 'SUCCEEDED'
"""
SIZES = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
ROWS = "SELECT relname, n_live_tup FROM pg_stat_user_tables"
PAGES = (
    *("/admin/batches/batch/", "/admin/batches/batch/?show=attention", "/admin/batches/batch/?p=9"),
    *("/admin/batches/batch/?q=growth-7-", "/admin/batches/batch/?q=absent", "/api/batches?search=growth-7-"),
    *("/api/batches", "/admin/errors/errorgroup/desk/", "/admin/batches/retentionrule/"),
)


def main() -> None:
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order

    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--batches", type=int, default=100, help="a day")
    parser.add_argument("--items", type=int, default=1_000, help="a batch")
    options = parser.parse_args()
    end_in_order()
    server = PostgreSQL(settings=("fsync=off", "shared_buffers=512MB", "max_wal_size=4GB")).start()
    try:
        with tempfile.TemporaryDirectory() as var:
            os.environ |= {"DATABASE_URL": server.create("growth"), "PORTAL_VAR": var, "LOG_LEVEL": "ERROR"}
            os.environ |= {"DJANGO_SETTINGS_MODULE": "batchportal.settings", "CELERY_BROKER_URL": "memory://"}
            os.environ |= {"ALLOWED_HOSTS": "testserver"}
            measure(options)
    finally:
        server.stop()


def measure(options: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.bench.desk import signed_in
    from tests.bench.pages_fill import count_failing

    call_command("migrate", verbosity=0)
    for template in (SETTLED, OPEN):
        run_template(template, options.items)
    began = perf_counter()
    for day in range(options.days):
        copy_day(day, options.batches)
    count_failing()
    execute("VACUUM ANALYZE")
    items = options.days * options.batches * options.items
    print(f"{items:,} items of {options.days * options.batches:,} batches, a tenth failed, copied in "
          f"{perf_counter() - began:,.0f} s\n")  # fmt: skip
    report(sizes())
    client = signed_in()
    client.get("/admin/")  # modules are loaded by the first request
    show_pages(client, "as they are")
    retain(options.days)
    show_pages(client, "after retention")


def run_template(template: str, items: int) -> None:
    from batches import operations
    from batches.engine import runner
    from batches.processors import processor
    from errors.models import ErrorGroup

    def do(payload: dict[str, Any], context: Any) -> dict[str, Any]:
        if payload["n"] % FAILS_EVERY == 0:
            raise ValueError(f"row {payload['n']}: sku {payload['sku']} is not known")
        return {"id": payload["n"]}

    processor(template)(do)
    rows = [
        {"n": n, "sku": f"A-{n:06}", "name": f"Article number {n}", "price": n / 100, "note": "x" * 80}
        for n in range(items)
    ]
    operations.submit(processor=template, items=rows, batch_id=template, max_attempts=1)
    operations.start(template)
    runner.work_until_idle(template)
    ErrorGroup.objects.filter(processor=SETTLED).update(state=ErrorGroup.State.IGNORED)


def copy_day(day: int, batches: int) -> None:
    """The batches of one day, which ended so many days ago; outcomes are remembered for a day, and cleaned up then."""
    from django.db import transaction

    ended = f"now() - interval '{day} days' - names.n * interval '10 minutes'"
    for template, which in NUMBERS.items():
        names = f"(SELECT 'growth-{day}-' || n AS name, n FROM generate_series(1, {batches}) n WHERE {which}) AS names"
        with transaction.atomic():
            copy(template, names, "batches_batch", dict.fromkeys(("created_at", "started_at", "finished_at"), ended))
            copy(template, names, "batches_item", dict.fromkeys(("started_at", "finished_at"), ended))
            for table in OF_BATCHES:
                copy(template, names, table, {"last_seen": ended})
            of_item = "JOIN batches_item i ON i.batch_id = names.name AND i.position = t.position"
            copy(template, names, "errors_errorrecord", {"item_id": "i.id"}, of_item)
            if day < 2:
                execute(REMEMBER.format(names=names, ended=ended))


def copy(template: str, names: str, table: str, changes: Mapping[str, str], joins: str = "") -> None:
    """The template's rows of that table, for each of the names."""
    key = "id" if table == "batches_batch" else "batch_id"
    changes = {**changes, key: "names.name"}
    columns = [name for (name,) in execute(COLUMNS, [table])]
    values = ", ".join(changes.get(column, f't."{column}"') for column in columns)
    listed = ", ".join(f'"{column}"' for column in columns)
    execute(f"INSERT INTO {table} ({listed}) SELECT {values} FROM {table} t CROSS JOIN {names} {joins} "
            f"WHERE t.{key} = '{template}'")  # fmt: skip


def execute(sql: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


def sizes() -> dict[str, int]:
    """Bytes of every table with its indexes."""
    return dict(execute(SIZES))


def report(bytes_of: Mapping[str, int]) -> None:
    rows = dict(execute(ROWS))
    print("| table | rows | MB |\n| --- | ---: | ---: |")
    for table, size in sorted(bytes_of.items(), key=lambda pair: -pair[1]):
        if size > MEGABYTE / 5:
            print(f"| `{table}` | {rows[table]:,} | {size / MEGABYTE:,.1f} |")
    print(f"| all | {sum(rows.values()):,} | {sum(bytes_of.values()) / MEGABYTE:,.1f} |\n", flush=True)


def show_pages(client: Any, when: str) -> None:
    """Medians, and the first request of each, which finds nothing counted."""
    from tests.bench.pages import requested

    print(f"pages, {when}; at most {LIMIT_MS} ms")
    for address in PAGES:
        first = requested(client, address)
        rounds = [requested(client, address) for _ in range(ROUNDS)]
        spent, cpu = statistics.median(each.spent for each in rounds), statistics.median(each.cpu for each in rounds)
        sql = statistics.median(sum(took for took, *_ in each.statements) for each in rounds)
        slow, asked = "  <-- slow" if max(spent, first.spent) > LIMIT_MS else "", len(rounds[0].statements)
        print(f"{spent:5.0f} ms (CPU {cpu:4.0f}, SQL {sql:4.0f}), first {first.spent:5.0f}, {asked:3} statements "
              f"{address}{slow}", flush=True)  # fmt: skip
    print()


def retain(days: int) -> None:
    """The batches of the oldest sixth of the days are deleted, those of the sixth behind it archived."""
    from django.utils import timezone

    from batches import tasks
    from batches.lifecycle import removals, retention
    from batches.models import Batch, Removal, RetentionRule

    full, began = sizes(), perf_counter()
    tasks.clean_up()
    print(f"clean-up of what has expired: {perf_counter() - began:,.0f} s")
    RetentionRule.objects.create(action="delete", after_days=max(1, 5 * days // 6))
    RetentionRule.objects.create(action="archive", after_days=max(1, 2 * days // 3))
    for rule in retention.rules():
        began, tried = perf_counter(), retention.dry_run(rule)
        print(f"dry run: {rule}: {tried.batches:,} batches, {tried.items:,} items; kept: {dict(tried.kept)}; "
              f"{1000 * (perf_counter() - began):,.0f} ms")  # fmt: skip
    began, runs, beginning = perf_counter(), 0, 0.0
    retention.LEAST_PAUSE = timedelta(0)
    while (done := retention.run()) is not None and done.archived + done.deleted:
        beginning += (timezone.now() - done.at).total_seconds()
        removals.work()
        runs += 1
    took, items = perf_counter() - began, sum(Removal.objects.values_list("removed_items", flat=True))
    execute("VACUUM FULL")
    freed = sum(full.values()) - sum(sizes().values())
    print(f"{runs} runs, {beginning:,.0f} s to begin: {items:,} items gone in {took:,.0f} s")
    print(f"{items / took:,.0f} a second; {freed / MEGABYTE:,.0f} of {sum(full.values()) / MEGABYTE:,.0f} MB are free")
    left = {status: Batch.objects.filter(status=status).count() for status in ("COMPLETED", "ARCHIVED")}
    print(f"left: {left}\n", flush=True)


if __name__ == "__main__":
    main()
