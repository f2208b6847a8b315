"""Ingest of a CSV file beside `COPY` of the same rows into the same table, interleaved, on PostgreSQL.

Prints rows a second, the ratio, and the peak memory of ingest at ten thousand and at a million rows.
"""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

SMALL, LARGE, ROUNDS = 10_000, 1_000_000, 3


def main() -> None:
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order

    end_in_order()
    server = PostgreSQL(settings=("fsync=on", "synchronous_commit=on", "max_wal_size=4GB")).start()
    try:
        with tempfile.TemporaryDirectory() as var:
            environment = {**os.environ, "PORTAL_VAR": var, "DATABASE_URL": server.create("bench")}
            environment |= {"DJANGO_SETTINGS_MODULE": "batchportal.settings", "LOG_LEVEL": "ERROR"}
            environment |= {"CELERY_BROKER_URL": "memory://", "PORTAL_MAX_UPLOAD_MB": "1000"}
            for size in (SMALL, LARGE):
                path = Path(var) / f"{size}.csv"
                write(path, size)
            run = [sys.executable, "-m", "tests.bench.ingest"]
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=environment, check=True)
            ours, theirs, ratios = [], [], []
            for number in range(ROUNDS):
                mine = said([*run, "ingest", f"{var}/{LARGE}.csv", f"i{number}"], environment)
                copy = said([*run, "copy", f"{var}/{LARGE}.csv", f"c{number}"], environment)
                ours.append(LARGE / mine["seconds"])
                theirs.append(LARGE / copy["seconds"])
                ratios.append(copy["seconds"] / mine["seconds"])
            small = said([*run, "ingest", f"{var}/{SMALL}.csv", "small"], environment)
            print(
                f"ingest {statistics.median(ours):,.0f} rows/s   COPY {statistics.median(theirs):,.0f} rows/s   "
                f"ingest / COPY = {statistics.median(ratios):.2f}  ({min(ratios):.2f}-{max(ratios):.2f})"
            )
            print(f"peak memory: {small['mb']:.0f} MB at {SMALL:,} rows, {mine['mb']:.0f} MB at {LARGE:,}")
    finally:
        server.stop()


def said(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    answer: dict[str, float] = json.loads(result.stdout.splitlines()[-1])
    return answer


def write(path: Path, size: int) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sku", "name", "price", "country", "quantity"])
        rows.writerows([f"SKU-{n:07}", f"Article number {n}", f"{n % 997}.50", "DE", n % 13] for n in range(size))


def one(kind: str, path: str, batch_id: str) -> None:
    import django

    django.setup()
    seconds = (ingest if kind == "ingest" else copy)(path, batch_id)
    print(json.dumps({"seconds": seconds, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def ingest(path: str, batch_id: str) -> float:
    from batches import operations

    began = perf_counter()
    with open(path, "rb") as file:
        operations.submit(
            processor="check_rows",
            params={"schema": "{}"},
            file=file,
            filename=path,
            batch_id=batch_id,
            key_column="sku",
        )
    return perf_counter() - began


def copy(path: str, batch_id: str) -> float:
    """The same rows through one COPY and one commit; the making of its lines is not counted."""
    from django.db import connection, transaction

    from batches.intake.staging import COLUMNS, DEFAULTS
    from batches.models import Batch

    Batch.objects.create(pk=batch_id)
    tail = "\t".join(str(value) for value in DEFAULTS)
    lines = io.StringIO()
    with open(path, newline="") as file:
        for n, row in enumerate(csv.DictReader(file)):
            payload = json.dumps(row, separators=(",", ":"))
            lines.write(f"{batch_id}\t{n}\t{row['sku']}\t{payload}\t{tail}\n")
    lines.seek(0)
    began = perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.copy_expert(f"COPY batches_item ({', '.join(COLUMNS)}) FROM STDIN", lines)
    return perf_counter() - began


if __name__ == "__main__":
    one(*sys.argv[1:]) if len(sys.argv) > 1 else main()
