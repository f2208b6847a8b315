"""How long a small batch waits while long ones run: `python -m tests.bench.fairness [--submissions N] [--rounds N]`.

On both settings (SQLite with a broker of files; PostgreSQL with Valkey), with one worker process beside one long batch
and two beside two. Each small batch has ten items of 10 ms, as the long ones have. Held: a small one begins within 2 s
and ends within 10 s (p95), and the long ones lose no more than 5 % besides the time in which a small one runs.
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
from typing import Any

SMALL, LONG = 10, 60_000
ALONE_SECONDS, EVERY = 15.0, 2.0
BEGINS_WITHIN, ENDS_WITHIN, LOSS = 2.0, 10.0, 0.05
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Each setting in a process of its own, since Django is told which one at its start."""
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order
    from tests.servers.valkey import Valkey

    parser = argparse.ArgumentParser()
    parser.add_argument("--submissions", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only that setting")
    parser.add_argument("--workers", type=int, choices=(1, 2), help="only with as many processes")
    options = parser.parse_args()
    end_in_order()
    server, valkey = PostgreSQL(settings=("fsync=on", "synchronous_commit=on")).start(), Valkey().start()
    try:
        for workers in (options.workers,) if options.workers else (1, 2):
            if options.database != "postgresql":
                measure_in_process("SQLite, files", workers, options)
            if options.database != "sqlite":
                urls = {"DATABASE_URL": server.create(f"bench{workers}"), "CELERY_BROKER_URL": valkey.url}
                measure_in_process("PostgreSQL, Valkey", workers, options, **urls)
    finally:
        valkey.kill()
        server.stop()


def measure_in_process(name: str, workers: int, options: argparse.Namespace, **urls: str) -> None:
    with tempfile.TemporaryDirectory() as var:
        environment = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "CELERY_BROKER_URL")}
        environment |= {"PORTAL_VAR": var, "DJANGO_SETTINGS_MODULE": "batchportal.settings", "LOG_LEVEL": "ERROR"}
        environment |= {"PORTAL_PROCESSORS": "tests.bench.processors", "PORTAL_WORKERS": str(workers), **urls}
        arguments = [name, str(workers), str(options.submissions), str(options.rounds)]
        source = "import sys; from tests.bench import fairness; fairness.measure(*sys.argv[1:])"
        subprocess.run([sys.executable, "-c", source, *arguments], env=environment, check=True, cwd=ROOT)


def measure(name: str, workers: str, submissions: str, rounds: str) -> None:
    import django

    from tests.servers.starter import dies_with_starter, end_in_order

    end_in_order()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    keeper = subprocess.Popen(
        [sys.executable, "-m", "batchportal.worker"], cwd=ROOT, preexec_fn=dies_with_starter(signal.SIGTERM)
    )
    try:
        long_ones = [submitted(f"long-{n}", LONG) for n in range(int(workers))]
        wait_for(lambda: all(done_of(pk) for pk in long_ones))
        for number in range(int(rounds)):
            report(name, int(workers), one_round(long_ones, int(submissions), number))
    finally:
        keeper.send_signal(signal.SIGTERM)
        keeper.wait(60)


def one_round(long_ones: list[str], submissions: int, number: int) -> dict[str, Any]:
    alone = pace_of(long_ones, lambda: time.sleep(ALONE_SECONDS))
    small: list[str] = []

    def submit_small() -> None:
        for n in range(submissions):
            small.append(submitted(f"small-{number}-{n}", SMALL))
            time.sleep(EVERY)

    began = time.monotonic()
    beside = pace_of(long_ones, submit_small)
    seconds = time.monotonic() - began
    wait_for(lambda: all(is_over(pk) for pk in small))
    waits = [times_of(pk) for pk in small]
    share = sum(ends - begins for begins, ends in waits) / (seconds * len(long_ones))
    return {
        "begins": percentile([begins for begins, _ in waits]),
        "ends": percentile([ends for _, ends in waits]),
        "worst": max(ends for _, ends in waits),
        "loss": 1 - beside / (alone * (1 - share)),
        "pace": alone,
    }


def report(name: str, workers: int, result: dict[str, Any]) -> None:
    kept = result["begins"] <= BEGINS_WITHIN and result["ends"] <= ENDS_WITHIN and result["loss"] <= LOSS
    print(
        f"{name:<19} {workers} process(es), as many long batches at {result['pace']:,.0f} items/s: a small one begins "
        f"after {result['begins']:.2f} s, ends after {result['ends']:.2f} s (p95; worst {result['worst']:.2f} s); "
        f"the long ones lose {100 * result['loss']:.1f} %  {'ok' if kept else 'MISSED'}",
        flush=True,
    )


def submitted(batch_id: str, items: int) -> str:
    from batches import operations

    rows = ({"n": n} for n in range(items))
    operations.submit(processor="bench.pause", items=rows, batch_id=batch_id)
    operations.start(batch_id)
    return batch_id


def pace_of(batch_ids: list[str], wait: Any) -> float:
    """Items a second of all of them together, while that lasts."""
    began, before = time.monotonic(), sum(map(done_of, batch_ids))
    wait()
    return (sum(map(done_of, batch_ids)) - before) / (time.monotonic() - began)


def done_of(batch_id: str) -> int:
    from batches.lanes.lane_counts import counters_of

    return sum(counters_of(batch_id).values())


def is_over(batch_id: str) -> bool:
    from batches.models import Batch

    return Batch.objects.get(pk=batch_id).is_final


def times_of(batch_id: str) -> tuple[float, float]:
    """Seconds from its start to its first lane taken, and to its end."""
    from batches.models import Transition

    rows = dict(Transition.objects.filter(batch=batch_id).values_list("to_status", "at"))
    queued = rows["QUEUED"]
    return (rows["RUNNING"] - queued).total_seconds(), (rows["COMPLETED"] - queued).total_seconds()


def percentile(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


def wait_for(condition: Any, seconds: float = 600) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("it did not happen within ten minutes")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
