"""A run under fire: `python -m tests.chaos.run --items 20000 --kills 100 --seed 7`.

One seed decides the acts and their order. The run fails when a promise is broken, and is void ("unknown") when fewer
than nine tenths of the planned acts landed while work was in flight.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any

from tests.chaos.portal import LEASE, Portal, send

BATCH = "under-fire"
PATIENCE = 90.0
POISONS = ("segfault", "hang", "memory")
LAST_ACT = 0.97  # of the items; what comes later might find the batch done


class Run:
    """Hurts the portal until the batch is done, then has the tables read."""

    def __init__(self, portal: Portal, options: argparse.Namespace) -> None:
        self.portal, self.options = portal, options
        self.random = random.Random(options.seed)
        self.landed: Counter[str] = Counter()
        self.frozen: list[tuple[float, int]] = []
        self.pauses: list[float] = []
        self.recoveries: list[float] = []
        self.broken: list[str] = []

    def plan(self) -> list[str]:
        acts = [name for name in ACTS for _ in range(getattr(self.options, name))]
        self.random.shuffle(acts)
        return acts

    def poisoned(self) -> list[int]:
        """Where the items are that take their worker down, hang in native code, or flood memory."""
        return random.Random(self.options.seed).sample(range(self.options.items), self.options.poison)

    def run(self) -> list[str]:
        from batches import operations

        o = self.options
        items: list[dict[str, Any]] = [{"fails": n % 97 == 96, "ms": o.ms} for n in range(o.items)]
        for number, position in enumerate(self.poisoned()):
            items[position] = {"poison": POISONS[number % len(POISONS)]}
        operations.submit(processor="chaos.ledger", items=items, batch_id=BATCH, concurrency=o.lanes)
        self.portal.hire()
        operations.start(BATCH, actor="chaos")
        began = monotonic()
        plan = self.plan()
        for number, name in enumerate(plan):
            self.await_items(int((number + self.random.random()) / len(plan) * LAST_ACT * o.items))
            if not self.fire(name):
                self.broken.append(f"unknown: the batch ended before act {number + 1} of {len(plan)}")
                break
        self.thaw(wait=True)
        self.await_status("COMPLETED", PATIENCE)
        self.seconds = monotonic() - began
        return self.broken + self.check(plan)

    def fire(self, name: str) -> bool:
        """One act, when somebody is at work; False when the batch has come to its end."""
        self.thaw()
        if self.status() == "COMPLETED":
            return False
        if ACTS[name](self):
            self.landed[name] += 1
        return True

    def check(self, plan: list[str]) -> list[str]:
        from batches import operations
        from tests.chaos import checker

        found = checker.violations(BATCH)
        found += [f"verify: {fault}" for fault in operations.verify(BATCH)]
        found += self.check_poison()
        if plan and sum(self.landed.values()) < 0.9 * len(plan):
            found.append(f"unknown: {sum(self.landed.values())} of {len(plan)} acts landed")
        return found

    def check_poison(self) -> list[str]:
        """Each poisonous item costs itself and nothing else."""
        from batches.models import Item

        cost = {"segfault": "QUARANTINED", "hang": "QUARANTINED", "memory": "FAILED"}
        expected = {at: cost[POISONS[n % len(POISONS)]] for n, at in enumerate(self.poisoned())}
        lost = dict(Item.objects.exclude(status="SUCCEEDED").values_list("position", "status"))
        planned = dict.fromkeys(range(96, self.options.items, 97), "FAILED")
        wrong = sorted((planned | expected).items() ^ lost.items())
        return [f"item {position}: {status} is not as it should be" for position, status in wrong[:10]]

    # -- looking

    def await_items(self, wanted: int) -> None:
        """Until so many items are done: acts are spread over the batch, however fast it runs."""
        from batches.progress_tracker import get_progress

        until = monotonic() + PATIENCE
        while monotonic() < until:
            progress = self.asked(lambda: get_progress(BATCH))
            if progress.total_items - progress.remaining >= wanted:
                return
            self.thaw()
            time.sleep(0.02)

    def status(self) -> str:
        return str(self.asked(lambda: batch_row("status")))

    def asked(self, question: Callable[[], Any]) -> Any:
        """The database's answer, however long it is away."""
        from django.db import Error, connection

        until = monotonic() + PATIENCE
        while True:
            try:
                return question()
            except Error:
                connection.close()
                if monotonic() > until:
                    raise
                time.sleep(0.05)

    def await_status(self, wanted: str, seconds: float) -> bool:
        until = monotonic() + seconds
        while (status := self.status()) != wanted:
            if monotonic() > until:
                self.broken.append(f"{status} instead of {wanted} after {seconds:g} s")
                return False
            time.sleep(0.02)
        return True

    def worker(self) -> int | None:
        """The process id of somebody who holds a lane, by the database."""
        from batches.models import Checkpoint

        until = monotonic() + 15
        while monotonic() < until:
            held = self.asked(lambda: list(Checkpoint.objects.exclude(worker="").values_list("worker", flat=True)))
            stopped = {pid for _, pid in self.frozen}
            pids = sorted({int(name.split(":")[-2]) for name in held} - stopped)
            if pids:
                return self.random.choice(pids)
            if self.status() == "COMPLETED":
                return None
            time.sleep(0.01)
        return None

    def ledger(self) -> int:
        from tests.chaos import checker

        return int(self.asked(lambda: checker.one("SELECT count(*) FROM chaos_ledger")))

    # -- hurting

    def kill(self) -> bool:
        pid = self.worker()
        return pid is not None and send(pid, signal.SIGKILL)

    def kill_parent(self) -> bool:
        pid = self.portal.celery()
        return self.worker() is not None and pid is not None and send(pid, signal.SIGKILL)

    def freeze(self) -> bool:
        """Stop a worker beyond its lease; it is woken later, when somebody else has its lane."""
        pid = self.worker()
        if pid is None or not send(pid, signal.SIGSTOP):
            return False
        self.frozen.append((monotonic() + LEASE * self.random.uniform(1.1, 2), pid))
        return True

    def thaw(self, *, wait: bool = False) -> None:
        while self.frozen:
            due = [entry for entry in self.frozen if wait or entry[0] <= monotonic()]
            if not due:
                return
            for entry in due:
                time.sleep(max(0.0, entry[0] - monotonic()))
                send(entry[1], signal.SIGCONT)
                self.frozen.remove(entry)

    def disconnect(self) -> bool:
        from tests.chaos import checker

        sql = """SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
          WHERE application_name = 'batchportal' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1) one"""
        return self.worker() is not None and bool(self.asked(lambda: checker.one(sql)))

    def crash(self) -> bool:
        """The database server dies with all its processes, and comes back after a moment."""
        if self.worker() is None or self.portal.postgresql is None:
            return False
        self.portal.postgresql.kill()
        time.sleep(self.random.uniform(0, 1))
        self.portal.postgresql.start()
        return True

    def lose_broker(self) -> bool:
        """The broker dies with all its messages."""
        if self.worker() is None or self.portal.valkey is None:
            return False
        self.portal.valkey.kill()
        time.sleep(self.random.uniform(0, 1))
        self.portal.valkey.start()
        return True

    def move_clock(self) -> bool:
        """Every worker's clock is wrong by another span of up to 25 hours; on SQLite all of them by the same."""
        whose = "each" if self.portal.postgresql is not None else "all"
        self.portal.clock.write_text(f"{self.random.choice((1, 25))}.{self.random.randrange(10**6):06} {whose}")
        return self.worker() is not None

    def fill_disk(self) -> bool:
        """Nothing can be written for a while; what the database's server then needs is to be started again."""
        disk, server = self.portal.disk, self.portal.postgresql
        if disk is None or self.worker() is None:
            return False
        disk.fill()
        time.sleep(self.random.uniform(0.5, 3))
        disk.free()
        if server is not None and server.process is not None and server.process.poll() is not None:
            server.kill()
            server.start()
        return True

    def redeliver(self) -> bool:
        """Every message five times at once, and two sweeps."""
        from batches import tasks

        for lane in range(self.options.lanes):
            for _ in range(5):
                tasks.send(BATCH, lane)
        for _ in range(2):
            tasks.sweep.apply_async()
        return self.worker() is not None

    def pause(self) -> bool:
        """Pause, see that nothing happens after it is paused, resume."""
        from batches import operations
        from batches.exceptions import InvalidTransition

        if self.worker() is None:
            return False
        began = monotonic()
        try:
            self.asked(lambda: operations.pause(BATCH, actor="chaos"))
        except InvalidTransition:
            return False
        until = monotonic() + PATIENCE
        while self.status() not in ("PAUSED", "COMPLETED") and monotonic() < until:
            time.sleep(0.005)
        if self.status() == "COMPLETED":
            return True
        self.pauses.append(monotonic() - began)
        before = self.ledger()
        time.sleep(0.3)
        if (after := self.ledger()) != before:
            self.broken.append(f"{after - before} effects after PAUSED")
        self.asked(lambda: operations.resume(BATCH, actor="chaos"))
        return True


ACTS: dict[str, Callable[[Run], bool]] = {
    "kills": Run.kill,
    "parents": Run.kill_parent,
    "freezes": Run.freeze,
    "disconnects": Run.disconnect,
    "crashes": Run.crash,
    "brokers": Run.lose_broker,
    "redeliveries": Run.redeliver,
    "clocks": Run.move_clock,
    "disks": Run.fill_disk,
    "pauses": Run.pause,
}


def batch_row(column: str) -> Any:
    from batches.models import Batch

    return Batch.objects.values_list(column, flat=True).get(pk=BATCH)


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--ms", type=float, default=0, help="what an item takes")
    parser.add_argument("--poison", type=int, default=0, help="items that segfault, hang or flood memory")
    for name in ACTS:
        parser.add_argument(f"--{name}", type=int, default=0)
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> tuple[list[str], Run]:
    """The broken promises of one run, and the run; servers and workers are ended whatever happens."""
    portal = Portal(options.database, workers=options.lanes, small_disk=options.disks > 0)
    portal.start()
    made = Run(portal, options)
    try:
        return made.run(), made
    finally:
        portal.stop()


def main() -> int:
    options = options_of()
    given = {name: value for name, value in vars(options).items() if value != 0}
    print("replay: python -m tests.chaos.run", *(f"--{name} {value}" for name, value in given.items()), flush=True)
    broken, made = run(options)
    worst = f", slowest pause {max(made.pauses):.2f} s" if made.pauses else ""
    print(f"{options.items:,} items in {made.seconds:.0f} s; landed: {dict(made.landed)}{worst}")
    for fault in broken:
        print(f"BROKEN: {fault}")
    print("every promise holds" if not broken else "broken promises")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
