"""Calls to the outside beside a bare httpx loop: `python -m tests.bench.calls [--ms 20] [--only threads_8]`.

The same requests, with one client and as many side by side, in threads and as coroutines, to a receiver in a process of
its own that answers after a fixed time; interleaved, on both databases. Beside the pace: CPU a call, statements a call,
how long outcomes waited until they were committed, and how many calls a kill at the worst moment would have repeated.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any

from tests.bench import answering
from tests.bench.engine import backend_seconds, gate, run_engine, spread, submitted

SIDE_BY_SIDE = (8, 32, 128)
AT_MOST = {"threads": 500, "coroutines": 150}
"""Calls a second, more than which a process hardly makes; httpx looks through all connections of a client for each
call of a coroutine."""
PACE, CPU_MS, WAIT_MS = 0.9, 2.5, 5.0


def main() -> None:
    """Each database in a process of its own, since Django is told which one at its start."""
    from tests.servers.postgresql import PostgreSQL

    options = options_of(sys.argv[1:])
    server = PostgreSQL(settings=("fsync=on", "synchronous_commit=on")).start()
    try:
        for name, url in (("PostgreSQL", server.create("bench")), ("SQLite", "")):
            if options.database and options.database != name.lower():
                continue
            with tempfile.TemporaryDirectory() as var, answering.receiver(options.ms) as address:
                environment = {**os.environ, "PORTAL_VAR": var, "DJANGO_SETTINGS_MODULE": "batchportal.settings"}
                environment |= {"DATABASE_URL": url} if url else {}
                environment |= {"LOG_LEVEL": "ERROR", "CELERY_BROKER_URL": "memory://", "BENCH_RECEIVER": address}
                environment |= {"PORTAL_PROCESSORS": "tests.bench.processors"}
                source = "import sys; from tests.bench import calls; calls.measure(*sys.argv[1:])"
                subprocess.run([sys.executable, "-c", source, name, *sys.argv[1:]], env=environment, check=True)
    finally:
        server.stop()


def options_of(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ms", type=float, default=20.0, help="how long the receiver takes to answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a round takes, were calls free")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only that one")
    parser.add_argument("--only", help="only that shape, such as threads_8")
    return parser.parse_args(arguments)


def measure(name: str, *arguments: str) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.bench import calling

    call_command("migrate", verbosity=0)
    options = options_of(list(arguments))
    for parallel in SIDE_BY_SIDE:
        calling.register(parallel)
        for shape in calling.BARE:
            if options.only in (None, f"{shape}_{parallel}"):
                beside_bare(name, shape, parallel, options)


@dataclass(slots=True)
class Figures:
    """Of one doer, a figure a round: calls a second, and CPU milliseconds a call of it and of the database."""

    pace: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Recording:
    """What the commits of calls said: outcomes and statements, how long outcomes waited (ms), and when each call began
    and was committed (seconds)."""

    statements: int = 0
    commits: int = 0
    waits: list[float] = field(default_factory=list)
    unrecorded: list[tuple[float, float]] = field(default_factory=list)


def beside_bare(name: str, shape: str, parallel: int, options: argparse.Namespace) -> None:
    from tests.bench import calling

    calls = int(min(parallel / max(options.ms / 1000, 0.001), AT_MOST[shape]) * options.seconds)
    bare, engine, recording = Figures(), Figures(), Recording()
    for number in range(options.rounds + 1):
        began, spent = perf_counter(), process_time()
        calling.BARE[shape](calls, parallel)
        if number:
            bare.pace.append(calls / (perf_counter() - began))
            bare.client.append((process_time() - spent) / calls * 1e3)
        batch_id = submitted(f"{shape}-{parallel}-{number}", f"bench.{shape}_{parallel}", calls)
        (pid, backend), began, spent = backend_seconds(), perf_counter(), process_time()
        if not number:
            run_engine(batch_id)
            continue
        with noted(recording):
            run_engine(batch_id)
        engine.pace.append(calls / (perf_counter() - began))
        engine.client.append((process_time() - spent) / calls * 1e3)
        pid_after, backend_after = backend_seconds()
        if pid == pid_after:  # else it has taken another session
            engine.server.append((backend_after - backend) / calls * 1e3)
    report(name, f"{shape} at {parallel}", bare, engine, recording, calls * options.rounds)


def report(name: str, what: str, bare: Figures, engine: Figures, recording: Recording, calls: int) -> None:
    ratios = [one / other for one, other in zip(engine.pace, bare.pace, strict=True)]
    ratio, cpu = statistics.median(ratios), statistics.median(engine.client)
    more = f"({min(ratios):.2f}-{max(ratios):.2f}, {len(ratios)} rounds; bare {spread(bare.pace)} calls/s)"
    gate(name, f"{what}: pace / bare", ratio, f">= {PACE:g}", ratio >= PACE, more)
    more = f"(bare {statistics.median(bare.client):.2f}; the database's session {of_server(engine.server)})"
    gate(name, f"{what}: CPU a call, ms", cpu, f"<= {CPU_MS:g}", cpu <= CPU_MS, more)
    waits = sorted(recording.waits)
    most, at_once = waits[int(0.99 * len(waits))], most_unrecorded(recording.unrecorded)
    print(
        f"  outcomes waited {statistics.median(waits):.1f} ms for a commit (99 % {most:.1f}, worst {waits[-1]:.1f}), "
        f"{recording.statements / calls:.2f} statements and {recording.commits / calls:.2f} commits a call; "
        f"a kill would have repeated {at_once} calls at most",
        flush=True,
    )


def of_server(figures: list[float]) -> str:
    return f"{statistics.median(figures):.2f}" if figures else "not measured"


@contextmanager
def noted(recording: Recording) -> Iterator[None]:
    """Note what the engine records."""
    from django.db import connection

    from batches import clock
    from batches.engine import external

    record = external.record

    def noting(slice_: Any, group: Any, *given: Any) -> Any:
        answer, now = record(slice_, group, *given), clock.machine_now()
        recording.commits += 1
        recording.waits += [(now - outcome.finished_at).total_seconds() * 1e3 for outcome in group]
        recording.unrecorded += [(outcome.started_at.timestamp(), now.timestamp()) for outcome in group]
        return answer

    def counting(execute: Any, *given: Any) -> Any:
        recording.statements += 1
        return execute(*given)

    external.record = noting  # type: ignore[assignment]
    try:
        with connection.execute_wrapper(counting):
            yield
    finally:
        external.record = record


def most_unrecorded(spans: list[tuple[float, float]]) -> int:
    """How many calls at most had begun and were not committed, at any moment."""
    moments = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    at_once = most = 0
    for _, change in moments:
        at_once += change
        most = max(most, at_once)
    return most


if __name__ == "__main__":
    main()
