"""The engine's gates, on both databases: `python -m tests.bench.engine [--small]`. Only what is in one run compares.

Beside hand-written loops (floors F2 and F1) and beside itself unguarded, interleaved; round trips and WAL an item; two
workers beside one; and a batch of a million items beside one of ten thousand, with the memory that takes.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from tests.bench import floors

ITEMS, ROUNDS, LARGE = 10_000, 5, 1_000_000
Run = Callable[[str], None]


def main() -> None:
    """Each database in a process of its own, since Django is told which one at its start."""
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order

    end_in_order()
    server = PostgreSQL(settings=("fsync=on", "synchronous_commit=on")).start()
    try:
        for name, url in (("PostgreSQL", server.create("bench")), ("SQLite", "")):
            with tempfile.TemporaryDirectory() as var:
                environment = {**os.environ, "PORTAL_VAR": var, "DJANGO_SETTINGS_MODULE": "batchportal.settings"}
                environment |= {"DATABASE_URL": url} if url else {}
                environment |= {"LOG_LEVEL": "ERROR", "CELERY_BROKER_URL": "memory://"}
                environment |= {"PORTAL_PROCESSORS": "tests.bench.processors"}
                command = [sys.executable, "-m", "tests.bench.engine", name, *sys.argv[1:]]
                subprocess.run(command, env=environment, check=True)
    finally:
        server.stop()


def measure(name: str, large: bool) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    if name == "PostgreSQL":
        on_the_wire(name)
    speed = interleaved({"engine": run_engine, "F2": floors.run_floor, "unguarded": floors.run_unguarded})
    print(f"{name:<11}", *(f"{doer} {statistics.median(its):>7,.0f} items/s  " for doer, its in speed.items()))
    say(name, "engine / F2", speed["engine"], speed["F2"], at_least=1.0 if name == "PostgreSQL" else 0.6)
    say(name, "engine / unguarded", speed["engine"], speed["unguarded"], at_least=0.7)
    if name == "PostgreSQL":
        writing = {"engine": partial(run_engine), "F1": partial(floors.floor_postgresql, write=True)}
        speed = interleaved(writing, processor="bench.write")
        say(name, "one ORM write an item: engine / F1", speed["engine"], speed["F1"], at_least=0.9)
    both = {"bench.write": run_engine, "bench.write_many": run_engine}
    speed = interleaved(both, processor="")
    say(name, "ORM writes: many / one by one", speed["bench.write_many"], speed["bench.write"], at_least=5)
    if name == "PostgreSQL":
        side_by_side(name)
    if large:
        at_size(name)


def interleaved(doers: Mapping[str, Run], processor: str = "bench.noop") -> dict[str, list[float]]:
    """Items a second of each, round by round; the first round warms all of them up. Without a processor, the doers'
    names are those of processors.

    Prints the CPU time an item, too, which a machine that does other things at the same time changes less.
    """
    speed: dict[str, list[float]] = {doer: [] for doer in doers}
    client: dict[str, list[float]] = {doer: [] for doer in doers}
    server: dict[str, list[float]] = {doer: [] for doer in doers}
    for number in range(ROUNDS + 1):
        for doer, run in doers.items():
            batch_id = submitted(f"{doer}-{processor}-{number}", processor or doer)
            (pid, backend), began = backend_seconds(), process_time()
            seconds = timed(run, batch_id)
            spent, (pid_after, backend_after) = process_time() - began, backend_seconds()
            if number:
                speed[doer].append(ITEMS / seconds)
                client[doer].append(spent / ITEMS * 1e6)
                if pid == pid_after:  # else it has taken another session
                    server[doer].append((backend_after - backend) / ITEMS * 1e6)
    for doer in doers:
        print(f"  {processor} {doer}: CPU an item, us: client {spread(client[doer])}, server {spread(server[doer])}")
    return speed


def spread(figures: list[float]) -> str:
    if not figures:
        return "not measured"
    return f"{statistics.median(figures):.0f} ({min(figures):.0f}-{max(figures):.0f})"


def backend_seconds() -> tuple[int, float]:
    """The process id of this session's server process and its CPU time; zeros on SQLite. Linux only."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0, 0.0
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    return pid, int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def submitted(batch_id: str, processor: str = "bench.noop", items: int = ITEMS, concurrency: int = 1) -> str:
    from batches import operations
    from batches.models import Batch

    rows = ({"n": n, "name": "item"} for n in range(items))
    operations.submit(processor=processor, items=rows, batch_id=batch_id, concurrency=concurrency)
    Batch.objects.filter(pk=batch_id).update(status="QUEUED")
    return batch_id


def timed(run: Run, batch_id: str) -> float:
    began = perf_counter()
    run(batch_id)
    return perf_counter() - began


def run_engine(batch_id: str) -> None:
    from batches.engine import runner

    runner.work_slice(batch_id, seconds=3_600)


def say(name: str, what: str, mine: list[float], theirs: list[float], at_least: float) -> None:
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    spread = f"({min(ratios):.2f}-{max(ratios):.2f}, {len(ratios)} rounds)"
    gate(name, what, statistics.median(ratios), f">= {at_least:g}", statistics.median(ratios) >= at_least, spread)


def gate(name: str, what: str, figure: float, wanted: str, held: bool, more: str = "") -> None:
    print(f"{name:<11} {what:<44} {figure:>8.2f}  {wanted:<8} {'ok' if held else 'MISSED'}  {more}", flush=True)


# -- what a chunk costs ------------------------------------------------------------------------------------------------


def on_the_wire(name: str) -> None:
    """Messages to the server and WAL, an item; a BEGIN and a COMMIT are messages too.

    WAL holds a whole page at its first change after a checkpoint, of which there is one right before: the larger the
    tables, the more pages ten thousand random keys lie in. Hence on tables that are empty, and the floor beside it.
    """
    from django.db import connection

    from batches.models import Checkpoint

    sent = [0]

    def count(execute: Any, *given: Any) -> Any:
        sent[0] += 1
        return execute(*given)

    floor = wal_of(floors.run_floor, submitted("on-the-wire-F2"))
    batch_id = submitted("on-the-wire")
    with connection.execute_wrapper(count):
        wal = wal_of(run_engine, batch_id)
    trips = (sent[0] + 2 * Checkpoint.objects.get(batch=batch_id).sequence) / ITEMS
    gate(name, "round trips an item", trips, "<= 0.5", trips <= 0.5)
    gate(name, "WAL an item, kB, full pages included", wal, "<= 1.5", wal <= 1.5, f"(F2 {floor:.2f})")


def wal_of(run: Run, batch_id: str) -> float:
    """kB an item."""
    ask("CHECKPOINT")
    before = ask("SELECT pg_current_wal_insert_lsn()")
    run(batch_id)
    return float(ask("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)", before)) / ITEMS / 1000


def ask(sql: str, *params: Any) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()[0] if cursor.description else None


# -- two workers -------------------------------------------------------------------------------------------------------

WORKER = """
import sys, django; django.setup()
from batches.engine import runner
from django.db import connection
connection.ensure_connection()
print("ready", flush=True); sys.stdin.readline()
runner.work_slice(sys.argv[1], seconds=3600)
print("done", flush=True)
"""


def side_by_side(name: str) -> None:
    speed: dict[int, list[float]] = {1: [], 2: []}
    for number in range(ROUNDS):
        for workers, its in speed.items():
            batch_id = submitted(f"workers-{workers}-{number}", concurrency=workers)
            its.append(ITEMS / with_workers(workers, batch_id))
    say(name, "2 workers / 1 worker", speed[2], speed[1], at_least=1.6)


def with_workers(workers: int, batch_id: str) -> float:
    """Seconds that processes of their own take, from the moment they are all ready."""
    command = [sys.executable, "-c", WORKER, batch_id]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for _ in range(workers)]
    for process in running:
        process.stdout.readline()  # type: ignore[union-attr]
    began = perf_counter()
    for process in running:
        print("go", file=process.stdin, flush=True)
    for process in running:
        process.stdout.readline()  # type: ignore[union-attr]
    seconds = perf_counter() - began
    for process in running:
        process.communicate()
    return seconds


# -- a million items ---------------------------------------------------------------------------------------------------


def at_size(name: str) -> None:
    """The first items of a batch of a million, among a million idempotency rows, beside a batch of ten thousand."""
    small = [timed(run_engine, submitted(f"small-{n}")) / ITEMS for n in range(3)]
    before = peak()
    batch_id = submitted("large", items=LARGE)
    gate(name, "memory that a million items take at submit, MB", peak() - before, "<= 60", peak() - before <= 60)
    remember_a_million()
    before = peak()
    costs = [timed(partial(run_some, items=ITEMS), batch_id) / ITEMS for _ in range(4)][1:]
    ratio = statistics.median(costs) / statistics.median(small)
    gate(name, "cost an item at 1,000,000 / at 10,000", ratio, "<= 1.5", ratio <= 1.5)
    gate(name, "memory that running takes more there, MB", peak() - before, "<= 20", peak() - before <= 20)
    gate(name, "memory in all, MB", peak(), "<= 150", peak() <= 150)


def run_some(batch_id: str, items: int) -> None:
    from batches.engine import runner

    chunks = [items // floors.CHUNK]

    def count() -> None:
        chunks[0] -= 1

    runner.work_slice(batch_id, seconds=3_600, on_chunk=count, should_stop=lambda: chunks[0] <= 0)


def remember_a_million() -> None:
    """Idempotency rows as a batch of that size leaves them: their keys lie anywhere in the index."""
    from django.db import connection

    rows = "INSERT INTO batches_idempotencyrecord (key, request_hash, state, response, created_at, expires_at) "
    if connection.vendor == "postgresql":
        ask(
            rows + "SELECT sha256(n::text::bytea), '', 'DONE', '{}', now(), now() + interval '1 day' "
            "FROM generate_series(1, %s) n",
            LARGE,
        )
        ask("ANALYZE")
    else:
        numbers = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {LARGE}) "
        ask(numbers + rows + "SELECT randomblob(32), '', 'DONE', '{}', '2100-01-01', '2100-01-01' FROM c")


def peak() -> float:
    """The most memory this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    named = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    measure(named[0], large="--small" not in sys.argv) if named else main()
