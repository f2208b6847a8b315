"""Many batches that wait at once: what each costs, whether any is begun twice, and in which order they begin.

Held: the CPU time of a batch with all of them in the queue is at most 1.5 times that with `FEW`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.bench import fairness
from tests.servers.starter import dies_with_starter

FEW, ITEMS, GROWTH = 100, 3, 1.5


@dataclass(frozen=True)
class Queue:
    """Of so many batches: milliseconds of the workers' CPU and of time for each, how many had two holders or began
    twice, and by how many places one began later than its turn, at worst."""

    batches: int
    cpu: float
    wall: float
    twice: int
    late: int


def measure(name: str, workers: int, batches: int) -> None:
    few, many = worked_off("few", FEW), worked_off("many", batches)
    growth = many.cpu / few.cpu
    kept = growth <= GROWTH and not few.twice and not many.twice
    for found in (few, many):
        print(
            f"{name:<19} {workers} process(es), {found.batches:,} batches of {ITEMS} items queued at once: all end, "
            f"{found.twice} begun twice, at worst {found.late} places late; {found.cpu:.1f} ms of CPU and "
            f"{found.wall:.1f} ms for each",
            flush=True,
        )
    print(f"a batch costs {growth:.2f} times the CPU; load {os.getloadavg()[0]:.1f}  {'ok' if kept else 'MISSED'}")


def worked_off(prefix: str, batches: int) -> Queue:
    """They are all started, then a worker is, of which the time before the first begins does not count."""
    ids = [fairness.submitted(f"{prefix}-{n}", ITEMS, "bench.noop") for n in range(batches)]
    command = [sys.executable, "-m", "batchportal.worker"]
    keeper = subprocess.Popen(command, cwd=fairness.ROOT, preexec_fn=dies_with_starter(signal.SIGTERM))
    try:
        fairness.wait_for(lambda: ended(prefix) > 0, every=0.01)
        began, cpu, before = time.monotonic(), fairness.cpu_seconds(keeper.pid), ended(prefix)
        fairness.wait_for(lambda: ended(prefix) == batches, every=0.1)
        cpu, wall = fairness.cpu_seconds(keeper.pid) - cpu, time.monotonic() - began
    finally:
        keeper.send_signal(signal.SIGTERM)
        keeper.wait(60)
    each = 1_000 / (batches - before)
    return Queue(batches, cpu * each, wall * each, begun_twice(ids), places_late(ids))


def ended(prefix: str) -> int:
    from batches.models import Batch

    return Batch.objects.filter(pk__startswith=f"{prefix}-", status=Batch.Status.COMPLETED).count()


def begun_twice(ids: list[str]) -> int:
    """Batches that became RUNNING or got a holder more than once, or of which an item did not end just once."""
    from batches import operations
    from batches.models import Batch, Tenure, Transition

    found = {pk for pk in ids if operations.verify(pk)}
    for rows in (Tenure.objects.all(), Transition.objects.filter(to_status=Batch.Status.RUNNING)):
        seen = list(rows.filter(batch__in=ids).values_list("batch", flat=True))
        found |= {pk for pk in ids if seen.count(pk) != 1}
    return len(found)


def places_late(ids: list[str]) -> int:
    """By how many places a batch began later than in the order of their submission, at worst."""
    from batches.models import Batch, Transition

    begun = Transition.objects.filter(batch__in=ids, to_status=Batch.Status.RUNNING).order_by("at")
    turn = {pk: place for place, pk in enumerate(ids)}
    return max(place - turn[pk] for place, pk in enumerate(begun.values_list("batch", flat=True)))
