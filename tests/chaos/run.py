"""A run under fire: `python -m tests.chaos.run --items 20000 --kills 100 --seed 7`.

One seed decides the acts and their order. The run fails when a promise is broken, when an act that it was told to do
never landed or left no trace (`--idle kills` pretends one), when what enough of them must lead to was never counted,
and when it has not ended two minutes after the last, with nothing started by hand. It is void ("unknown") when fewer
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
from typing import TYPE_CHECKING, Any, cast

from tests.chaos.acts import ACTS
from tests.chaos.judging import POISONS, faults_of, figures
from tests.chaos.portal import Portal, is_alive, send

if TYPE_CHECKING:
    from batches.progress_tracker import Progress

BATCH = "under-fire"
PATIENCE = 90.0
TRIES = 4
FREE_WITHIN = 30.0
LAST_ACT = 0.97  # of the items; what comes later might find the batch done
PROCESSORS = {"ledger": "chaos.ledger", "import_rows": "import_rows", "call": "chaos.call", "ask": "chaos.ask"}
PARAMS = {"import_rows": {"model": "auth.Group", "key_field": "name"}}


class Run:
    """Hurts the portal until the batch is done, then has the tables read."""

    batch_id = BATCH

    def __init__(self, portal: Portal, options: argparse.Namespace) -> None:
        self.portal, self.options = portal, options
        self.random = random.Random(options.seed)
        self.landed: Counter[str] = Counter()
        self.frozen: list[tuple[float, int]] = []
        self.pauses: list[float] = []
        self.cancels: list[float] = []
        self.rescues: list[float] = []
        self.orphans: list[float] = []
        self.deploys: list[float] = []
        self.thaws: list[float] = []
        self.broken: list[str] = []
        self.columns = 0
        self.asked_of: dict[int, str] = {}
        """By position, what a person said became of a call of unknown outcome."""
        self.aftermath = 0.0
        """Seconds from the last act to the end."""
        self.told = ""
        self.patience = options.patience

    def plan(self) -> list[str]:
        acts = [name for name in ACTS for _ in range(getattr(self.options, name))]
        self.random.shuffle(acts)
        return acts

    def poisoned(self) -> list[int]:
        """Where the items are that take their worker down, hang in native code, or flood memory."""
        return random.Random(self.options.seed).sample(range(self.options.items), self.options.poison)

    def items(self) -> list[dict[str, Any]]:
        o = self.options
        if o.processor == "import_rows":
            return [{"name": f"row {n}" if n % 97 != 96 else f"too long {n} ".ljust(160, "x")} for n in range(o.items)]
        items: list[dict[str, Any]] = [{"fails": n % 97 == 96, "ms": o.ms} for n in range(o.items)]
        for number, position in enumerate(self.poisoned()):
            items[position] = {"poison": POISONS[number % len(POISONS)]}
        return items

    def run(self) -> list[str]:
        from batches import operations

        o = self.options
        operations.submit(
            processor=PROCESSORS[o.processor],
            params=PARAMS.get(o.processor),
            items=self.items(),
            key_column="name" if o.processor == "import_rows" else "",
            batch_id=BATCH,
            concurrency=o.lanes,
        )
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
        last_act = monotonic()
        self.await_status("COMPLETED", self.patience)
        self.await_free_lanes()
        self.aftermath = monotonic() - last_act
        self.seconds = monotonic() - began
        return self.broken + faults_of(self, plan)

    def fire(self, name: str) -> bool:
        """One act, when somebody is at work; False when the batch has come to its end.

        An act whose victim died before, or that came in the middle of another change of state, is done to the next.
        """
        act = ACTS[name] if name != self.options.idle else pretend
        for _ in range(TRIES):
            self.thaw()
            if self.status() == "COMPLETED":
                return False
            if act(self):
                self.landed[name] += 1
                break
        return True

    # -- looking

    def await_items(self, wanted: int) -> None:
        """Until so many items are done: acts are spread over the batch, however fast it runs."""
        until = monotonic() + self.patience
        while monotonic() < until:
            progress = self.progress()
            if progress.total_items - progress.remaining >= wanted:
                return
            self.thaw()
            time.sleep(0.02)

    def progress(self) -> Progress:
        from batches.progress_tracker import get_progress

        return cast("Progress", self.asked(lambda: get_progress(BATCH)))

    def status(self, batch_id: str = BATCH) -> str:
        return str(self.asked(lambda: batch_row(batch_id, "status")))

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

    def execute(self, sql: str) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(sql)

    def await_status(self, wanted: str, seconds: float) -> bool:
        """False when so much time passes without an item done."""
        until, before = monotonic() + seconds, -1
        while (progress := self.progress()).status != wanted:
            self.portal.deaths()
            if progress.remaining != before:
                until, before = monotonic() + seconds, progress.remaining
            if monotonic() > until:
                self.broken.append(f"{progress.status} instead of {wanted}, and no item done for {seconds:g} s")
                return False
            time.sleep(0.02)
        return True

    def await_free_lanes(self) -> None:
        """Who wrote the last chunk lets go of its lane a moment later; the checker says who does not."""
        until = monotonic() + FREE_WITHIN
        while self.held() and monotonic() < until:
            time.sleep(0.02)

    def worker(self) -> int | None:
        """The process id of somebody who holds a lane, by the database, and lives."""
        from batches.models import Checkpoint

        until = monotonic() + 15
        while monotonic() < until:
            lanes = Checkpoint.objects.filter(batch=BATCH).exclude(worker="")
            held = self.asked(lambda lanes=lanes: list(lanes.values_list("worker", flat=True)))
            stopped = {pid for _, pid in self.frozen}
            pids = sorted(filter(is_alive, {int(name.split(":")[-2]) for name in held} - stopped))
            if pids:
                return self.random.choice(pids)
            if self.status() == "COMPLETED":
                return None
            time.sleep(0.01)
        return None

    def held(self) -> int:
        from batches.models import Checkpoint

        return int(self.asked(lambda: Checkpoint.objects.filter(batch=BATCH).exclude(worker="").count()))

    def lane_of(self, pid: int) -> int | None:
        """The row of the lane that a process holds."""
        from batches.models import Checkpoint

        held = Checkpoint.objects.filter(batch=BATCH, worker__contains=f":{pid}:")
        return self.asked(lambda: held.values_list("pk", flat=True).first())  # type: ignore[no-any-return]

    def chunks_of(self, lane: int) -> int:
        from batches.models import Checkpoint

        return int(self.asked(lambda: Checkpoint.objects.values_list("sequence", flat=True).get(pk=lane)))

    def ledger(self, batch_id: str = BATCH) -> int:
        from tests.chaos import checker

        return int(self.asked(lambda: checker.one("SELECT count(*) FROM chaos_ledger WHERE batch_id = %s", batch_id)))

    def thaw(self, *, wait: bool = False) -> None:
        while self.frozen:
            due = [entry for entry in self.frozen if wait or entry[0] <= monotonic()]
            if not due:
                return
            for entry in due:
                time.sleep(max(0.0, entry[0] - monotonic()))
                send(entry[1], signal.SIGCONT)
                self.frozen.remove(entry)


def pretend(run: Run) -> bool:
    """An act that says that it was done, and was not: the run must fail of it."""
    return run.worker() is not None


def batch_row(batch_id: str, column: str) -> Any:
    from batches.models import Batch

    return Batch.objects.values_list(column, flat=True).get(pk=batch_id)


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--processor", choices=tuple(PROCESSORS), default="ledger")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--lanes", type=int, default=3)
    parser.add_argument("--ms", type=float, default=0, help="what an item takes")
    parser.add_argument("--poison", type=int, default=0, help="items that segfault, hang or flood memory")
    parser.add_argument("--mutant", default="", help="an engine with something broken; the run must fail")
    parser.add_argument("--idle", default="", help="an act that is only said to be done; the run must fail")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds that may pass without an item done")
    for name, act in ACTS.items():
        parser.add_argument(f"--{name}", type=int, default=0, help=(act.__doc__ or "").partition("\n")[0])
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> tuple[list[str], Run]:
    """The broken promises of one run, and the run; servers and workers are ended whatever happens."""
    portal = Portal(
        options.database,
        workers=options.lanes + bool(options.cancels or options.thaws),  # one to begin batches beside, or take over
        small_disk=options.disks > 0,
        own_wire=options.replies > 0,
        mutant=options.mutant,
    )
    made = Run(portal, options)
    try:
        portal.start()
        return made.run(), made
    finally:
        portal.stop()


def main() -> int:
    options = options_of()
    given = {name: value for name, value in vars(options).items() if value not in (0, "")}
    print("replay: python -m tests.chaos.run", *(f"--{name} {value}" for name, value in given.items()), flush=True)
    broken, made = run(options)
    print(f"{options.items:,} items in {made.seconds:.0f} s; landed: {dict(made.landed)}{made.told}{figures(made)}")
    for fault in broken:
        print(f"BROKEN: {fault}")
    print("every promise holds" if not broken else "broken promises")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
