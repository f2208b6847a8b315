"""How long a small batch waits while long ones run: `python -m tests.bench.fairness [--submissions N] [--rounds N]`.

On both settings (SQLite with a broker of files; PostgreSQL with Valkey), with one worker process beside one long batch
and two beside two. Each small batch has ten items of 10 ms, as the long ones have. Held: a small one begins within 2 s
and ends within 10 s (p95), and the long ones lose no more than 5 % besides the time in which a small one runs: measured
between commits, and against stretches without small ones that come by turns with those.
With `--queued N`, what a batch costs while N of them wait (`fairness_queue`).
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
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

SMALL, ITEMS_A_SECOND = 10, 100
ALONE_SECONDS, EVERY, TOGETHER = 10.0, 2.0, 10
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
    parser.add_argument("--queued", type=int, default=0, metavar="N", help="instead: N batches that wait at once")
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
        arguments = [name, str(workers), str(options.submissions), str(options.rounds), str(options.queued)]
        source = "import sys; from tests.bench import fairness; fairness.measure(*sys.argv[1:])"
        subprocess.run([sys.executable, "-c", source, *arguments], env=environment, check=True, cwd=ROOT)


def measure(name: str, workers: str, submissions: str, rounds: str, queued: str) -> None:
    import django

    from tests.servers.starter import dies_with_starter, end_in_order

    end_in_order()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    if int(queued):
        from tests.bench import fairness_queue

        fairness_queue.measure(name, int(workers), int(queued))
        return
    keeper = subprocess.Popen(
        [sys.executable, "-m", "batchportal.worker"], cwd=ROOT, preexec_fn=dies_with_starter(signal.SIGTERM)
    )
    try:
        items = int(ITEMS_A_SECOND * (60 + int(rounds) * int(submissions) * (EVERY + ALONE_SECONDS / TOGETHER + 1)))
        long_ones = [submitted(f"long-{n}", items) for n in range(int(workers))]
        wait_for(lambda: all(done_of(pk) for pk in long_ones))
        for number in range(int(rounds)):
            report(name, int(workers), one_round(long_ones, int(submissions), number, keeper.pid))
    finally:
        keeper.send_signal(signal.SIGTERM)
        keeper.wait(60)


@dataclass
class Stretch:
    """Time in which the long batches are worked on: of each the seconds and the items from one commit to another, and
    the CPU seconds of the workers meanwhile, over `wall` seconds."""

    long_ones: list[str]
    worker: int
    seconds: float = 0.0
    items: int = 0
    cpu: float = 0.0
    wall: float = 0.0

    def last(self, wait: Callable[[], object]) -> None:
        """Add the time for which `wait` lasts."""
        before, cpu, began = list(map(standing, self.long_ones)), cpu_seconds(self.worker), time.monotonic()
        wait()
        self.wall += time.monotonic() - began
        self.cpu += cpu_seconds(self.worker) - cpu
        for (done, at), (done_then, then) in zip(map(standing, self.long_ones), before, strict=True):
            self.seconds += (at - then).total_seconds()
            self.items += done - done_then

    @property
    def pace(self) -> float:
        """Items a second of one long batch."""
        return self.items / self.seconds


@dataclass(frozen=True)
class Figures:
    """Of a round: p95 and the worst of when a small batch begins and ends, in seconds after its start; what the long
    ones lose in all, and of that while the small ones run, as shares of their pace of so many items a second; a small
    batch each `apart` seconds, and the CPU seconds that it costs the workers."""

    begins: float
    ends: float
    worst: float
    whole: float
    theirs: float
    pace: float
    apart: float
    cpu: float

    @property
    def loss(self) -> float:
        """What the long ones lose of the time in which no small one runs."""
        return 1 - (1 - self.whole) / (1 - self.theirs)

    @property
    def is_kept(self) -> bool:
        return self.begins <= BEGINS_WITHIN and self.ends <= ENDS_WITHIN and self.loss <= LOSS


def one_round(long_ones: list[str], submissions: int, number: int, worker: int) -> Figures:
    """Stretches with small batches and without by turns, so that both meet the same load of the machine."""
    small: list[str] = []
    alone, beside = Stretch(long_ones, worker), Stretch(long_ones, worker)

    def submit_small() -> None:
        for _ in range(min(TOGETHER, submissions - len(small))):
            small.append(submitted(f"small-{number}-{len(small)}", SMALL))
            time.sleep(EVERY)

    alone.last(lambda: time.sleep(ALONE_SECONDS))
    while len(small) < submissions:
        beside.last(submit_small)
        alone.last(lambda: time.sleep(ALONE_SECONDS))
    waits = [times_of(pk) for pk in small]
    return Figures(
        begins=percentile([begins for begins, _ in waits]),
        ends=percentile([ends for _, ends in waits]),
        worst=max(ends for _, ends in waits),
        whole=1 - beside.pace / alone.pace,
        theirs=sum(ends - begins for begins, ends in waits) / beside.seconds,
        pace=alone.pace * len(long_ones),
        apart=beside.wall / len(small),
        cpu=(beside.cpu - alone.cpu * beside.wall / alone.wall) / len(small),
    )


def report(name: str, workers: int, found: Figures) -> None:
    switch = 1_000 * found.loss * (1 - found.theirs) * found.apart * workers
    print(
        f"{name:<19} {workers} process(es), as many long batches at {found.pace:,.0f} items/s, a small one every "
        f"{found.apart:.1f} s: it begins after {found.begins:.2f} s, ends after {found.ends:.2f} s "
        f"(p95; worst {found.worst:.2f} s); the long ones lose {100 * found.whole:.1f} %: {100 * found.theirs:.1f} % "
        f"while a small one runs, and of the rest {100 * found.loss:.1f} %, {switch:.0f} ms for each, which costs "
        f"{1_000 * found.cpu:.0f} ms of CPU; load {os.getloadavg()[0]:.1f}  {'ok' if found.is_kept else 'MISSED'}",
        flush=True,
    )


def submitted(batch_id: str, items: int, processor: str = "bench.pause") -> str:
    from batches import operations

    rows = ({"n": n} for n in range(items))
    operations.submit(processor=processor, items=rows, batch_id=batch_id)
    operations.start(batch_id)
    return batch_id


def standing(batch_id: str) -> tuple[int, datetime]:
    """Items done of a batch of one lane, and when they were committed."""
    from batches.models import Checkpoint

    lane = Checkpoint.objects.get(batch=batch_id, lane=0)
    assert lane.saved_at is not None
    return lane.succeeded, lane.saved_at


def done_of(batch_id: str) -> int:
    from batches.lanes.lane_counts import counters_of

    return sum(counters_of(batch_id).values())


def cpu_seconds(worker: int) -> float:
    """That a worker and all its processes have used, also those that have ended."""
    used = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11:15]
    children = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK") + sum(map(cpu_seconds, map(int, children)))


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


def wait_for(condition: Callable[[], bool], seconds: float = 600, every: float = 0.1) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("it did not happen within ten minutes")
        time.sleep(every)


if __name__ == "__main__":
    main()
