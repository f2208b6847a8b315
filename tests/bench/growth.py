"""What grows, and what retention frees: `python -m tests.bench.growth [--days 30] [--batches 100] [--items 1000]`.

On PostgreSQL. One batch is run by the engine, a tenth of its items fails; the others are copies of its rows, a day's
batches by one statement a table, as running them would take hours. Prints bytes per 1,000,000 items, table by table, as
docs/growth.md has them; then the rules of retention archive and delete the older two thirds.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from time import perf_counter
from typing import Any

TEMPLATE = "growth-0"
FAILS_EVERY = 10
MEGABYTE = 1_000_000
OF_BATCHES = ("batches_checkpoint", "batches_transition", "batches_milestone", "batches_sample", "batches_tenure",
              "batches_map", "errors_batchgroup", "errors_failingcount")  # fmt: skip
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


def main() -> None:
    from tests.servers.postgresql import PostgreSQL

    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--batches", type=int, default=100, help="a day")
    parser.add_argument("--items", type=int, default=1_000, help="a batch")
    options = parser.parse_args()
    server = PostgreSQL().start()
    try:
        with tempfile.TemporaryDirectory() as var:
            os.environ |= {"DATABASE_URL": server.create("growth"), "PORTAL_VAR": var, "LOG_LEVEL": "ERROR"}
            os.environ["DJANGO_SETTINGS_MODULE"] = "batchportal.settings"
            measure(options)
    finally:
        server.stop()


def measure(options: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    run_template(options.items)
    before = sizes()
    began = perf_counter()
    for day in range(options.days):
        copy_day(day, options.batches)
    millions = options.days * options.batches * options.items / 1_000_000
    print(f"{millions:g} million items, a tenth failed, copied in {perf_counter() - began:,.0f} s\n")
    after = sizes()
    report({table: (after[table] - before[table]) / millions for table in after}, "a million items")
    retain(options.days, after)


def run_template(items: int) -> None:
    from batches import operations
    from batches.engine import runner
    from batches.processors import processor
    from errors.models import ErrorGroup

    def do(payload: dict[str, Any], context: Any) -> dict[str, Any]:
        if payload["n"] % FAILS_EVERY == 0:
            raise ValueError(f"row {payload['n']}: sku {payload['sku']} is not known")
        return {"id": payload["n"]}

    processor("growth.do")(do)
    rows = [
        {"n": n, "sku": f"A-{n:06}", "name": f"Article number {n}", "price": n / 100, "note": "x" * 80}
        for n in range(items)
    ]
    operations.submit(processor="growth.do", items=rows, batch_id=TEMPLATE, max_attempts=1)
    operations.start(TEMPLATE)
    runner.work_until_idle(TEMPLATE)
    ErrorGroup.objects.update(state=ErrorGroup.State.IGNORED)


def copy_day(day: int, batches: int) -> None:
    """The batches of one day, which ended so many days ago."""
    from django.db import connection, transaction

    names = f"(SELECT 'growth-{day}-' || n AS name FROM generate_series(1, {batches}) n) AS names"
    ended = f"now() - interval '{day} days'"
    with transaction.atomic(), connection.cursor() as cursor:

        def copy(table: str, changes: Mapping[str, str], joins: str = "") -> None:
            cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_identity = 'NO'",
                [table],
            )
            columns = [row[0] for row in cursor.fetchall()]
            values = ", ".join(changes.get(column, f't."{column}"') for column in columns)
            listed = ", ".join(f'"{column}"' for column in columns)
            key = "id" if table == "batches_batch" else "batch_id"
            cursor.execute(
                f"INSERT INTO {table} ({listed}) SELECT {values} FROM {table} t CROSS JOIN {names} {joins} "
                f"WHERE t.{key} = '{TEMPLATE}'"
            )

        times = {"created_at": ended, "started_at": ended, "finished_at": ended}
        copy("batches_batch", {"id": "names.name", **times})
        copy("batches_item", {"batch_id": "names.name", "started_at": ended, "finished_at": ended})
        for table in OF_BATCHES:
            copy(table, {"batch_id": "names.name"})
        of_item = "JOIN batches_item i ON i.batch_id = names.name AND i.position = t.position"
        copy("errors_errorrecord", {"batch_id": "names.name", "item_id": "i.id"}, of_item)
        cursor.execute(REMEMBER.format(names=names, ended=ended))


def sizes() -> dict[str, int]:
    """Bytes of every table with its indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(SIZES)
        return dict(cursor.fetchall())


def report(bytes_of: Mapping[str, float], per: str) -> None:
    print(f"| table | MB for {per} |\n| --- | ---: |")
    for table, size in sorted(bytes_of.items(), key=lambda row: -row[1]):
        if size > 100_000:
            print(f"| `{table}` | {size / MEGABYTE:,.1f} |")
    print(f"| all | {sum(bytes_of.values()) / MEGABYTE:,.1f} |\n")


def retain(days: int, full: Mapping[str, int]) -> None:
    """What is a third of the days old is archived, what is two thirds old deleted."""
    from batches import tasks
    from batches.lifecycle import removals, retention
    from batches.models import Batch, Removal, RetentionRule

    began = perf_counter()
    tasks.clean_up()
    vacuum()
    print(f"clean-up of what has expired: {perf_counter() - began:,.0f} s, frees {freed(full):,.0f} MB")
    now_full = sizes()
    RetentionRule.objects.create(action="delete", after_days=max(1, 2 * days // 3))
    RetentionRule.objects.create(action="archive", after_days=max(1, days // 3))
    for rule in retention.rules():
        print(f"dry run: {rule}: {(tried := retention.dry_run(rule)).batches:,} batches, {tried.items:,} items")
    began, runs = perf_counter(), 0
    retention.LEAST_PAUSE = timedelta(0)
    while (done := retention.run()) is not None and done.archived + done.deleted:
        removals.work()
        runs += 1
    took, items = perf_counter() - began, sum(Removal.objects.values_list("removed_items", flat=True))
    vacuum()
    print(f"{runs} runs: {items:,} items gone in {took:,.0f} s ({items / took:,.0f} a second), "
          f"{freed(now_full):,.0f} of {sum(now_full.values()) / MEGABYTE:,.0f} MB are free")  # fmt: skip
    left = {status: Batch.objects.filter(status=status).count() for status in ("COMPLETED", "ARCHIVED")}
    print(f"left: {left}")


def vacuum() -> None:
    """Rewrites the tables: what is left is what is used."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL")


def freed(before: Mapping[str, int]) -> float:
    return (sum(before.values()) - sum(sizes().values())) / MEGABYTE


if __name__ == "__main__":
    sys.exit(main())
