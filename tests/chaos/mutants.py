"""Broken engines, each of which a run must see: `python -m tests.chaos.mutants [name…]`.

One thing is broken in each, and the other guards that would cover it are off: fence, item status, idempotency row,
the claim's row locks, and the server's limit for idle transactions. Not here: counters that are read, changed and
written back, for a lane's row has one writer, under its fence.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.breakages import (
    ask_nobody,
    believe_items,
    count_afterwards,
    count_before,
    effect_elsewhere,
    forget_keys,
    keep_fence,
    mark_nothing,
    never_idle_out,
    never_sweep,
    outcome_first,
    own_clock,
    pause_at_once,
    release_anybodys,
    retry_from_memory,
    store_anything,
)

Change = tuple[str, str]

NO_FENCE = ("l.id = lane_id AND l.fence = lane_fence RETURNING", "l.id = lane_id RETURNING")
NO_FENCE_AT_CLAIM = ("WHERE l.id = lane_id AND l.fence = lane_fence;", "WHERE l.id = lane_id;")
NO_STATUS = ("i.id = o.id AND i.status = from_status RETURNING", "i.id = o.id RETURNING")
NO_IDEMPOTENCY = (
    "WHERE r.expires_at <= clock_timestamp() OR (from_status = 'RUNNING' AND r.state = 'IN_PROGRESS') RETURNING",
    "RETURNING",
)
NO_LOCKS = (" FOR UPDATE SKIP LOCKED", "")
BLIND = (NO_STATUS, NO_IDEMPOTENCY, NO_LOCKS)
NO_COUNTERS = (("l.succeeded + more_succeeded", "l.succeeded"),)
FROZEN = "--items 2500 --ms 2 --lanes 2 --freezes 4 --patience 20"
KILLED = "--items 2500 --ms 1 --lanes 2 --kills 10 --patience 12"


def nothing() -> None:
    return None


@dataclass(frozen=True)
class Mutant:
    """What is broken, how, what is done to it, and the words by which it must be found."""

    what: str
    run: str
    seen_by: str
    sql: tuple[Change, ...] = ()
    code: Callable[[], None] = nothing
    in_parent: bool = False

    def alter_database(self) -> None:
        """In the harness: PostgreSQL's functions, and what people's verbs do."""
        from django.db import connection

        from batches.engine import sql

        if self.in_parent:
            self.code()
        for create in (sql.CREATE_CLAIM, sql.CREATE_RECORD):
            for old, new in self.sql:
                create = create.replace(old, new)
            with connection.cursor() as cursor:
                cursor.execute(create.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
        known = sql.CREATE_CLAIM + sql.CREATE_RECORD
        assert all(old in known for old, _ in self.sql), "the engine has changed: the mutant breaks nothing"

    def break_engine(self) -> None:
        """In a worker."""
        if not self.in_parent:
            self.code()


SHORT_CHUNK = "more_succeeded - (jsonb_array_length(outcomes) < 10)::int"
MUTANTS = {
    "no fence": Mutant(
        "commits name no fence", FROZEN, "doubled", (NO_FENCE, NO_FENCE_AT_CLAIM, *BLIND), never_idle_out
    ),
    "fence at the start": Mutant(
        "the fence is looked at by the claim only", FROZEN, "doubled", (NO_FENCE, *BLIND), never_idle_out
    ),
    "fence not raised": Mutant("a lane changes hands with the same fence", FROZEN, "doubled", BLIND, keep_fence),
    "own clock": Mutant(
        "each worker judges leases by its own clock",
        "--items 2500 --ms 2 --clocks 10",
        "doubled",
        (NO_FENCE, NO_FENCE_AT_CLAIM, *BLIND),
        own_clock,
    ),
    "anybody's lane": Mutant(
        "a lane is released whoever holds it",
        FROZEN,
        "doubled",
        (NO_FENCE, NO_FENCE_AT_CLAIM, *BLIND),
        release_anybodys,
    ),
    "no locks": Mutant("claimed items are not locked", "--items 2500 --ms 1", "doubled", BLIND),
    "blind retry": Mutant(
        "after a lost reply the chunk in memory is done again",
        "--items 2500 --ms 1 --replies 15",
        "doubled",
        (NO_STATUS, NO_IDEMPOTENCY),
        retry_from_memory,
    ),
    "effect elsewhere": Mutant("effects go through a connection of their own", KILLED, "doubled", (), effect_elsewhere),
    "counted after": Mutant(
        "counters are written after the commit", KILLED, "the lanes count", NO_COUNTERS, count_afterwards
    ),
    "counted before": Mutant(
        "counters are written before the commit", KILLED, "the lanes count", NO_COUNTERS, count_before
    ),
    "outcome first": Mutant(
        "outcomes are committed before their effects", KILLED, "succeeded without an effect", BLIND, outcome_first
    ),
    "short chunk": Mutant(
        "the last, partial chunk counts one too few",
        "--items 1005 --lanes 1 --patience 20",
        "the lanes count",
        (("more_succeeded,", f"{SHORT_CHUNK},"),),
    ),
    "no keys": Mutant("no idempotency rows", "--items 500", "idempotency rows", (), forget_keys),
    "no mark": Mutant(
        "the item in flight is not committed after a death",
        "--items 300 --lanes 1 --ms 1 --poison 1 --patience 10",
        "instead of COMPLETED",
        (),
        mark_nothing,
    ),
    "believed": Mutant(
        "an item's broken transaction is not noticed", "--items 500", "succeeded without an effect", (), believe_items
    ),
    "any text": Mutant(
        "error text is stored as it comes", "--items 300 --patience 10", "instead of COMPLETED", (), store_anything
    ),
    "nobody asked": Mutant(
        "calls of unknown outcome are made again unasked",
        "--processor ask --items 1000 --ms 10 --kills 10",
        "repeats by 0 faults",
        (),
        ask_nobody,
    ),
    "no sweep": Mutant("what got lost is not looked for", KILLED, "instead of COMPLETED", (), never_sweep),
    "paused early": Mutant(
        "paused is said when it is asked for",
        "--items 2500 --lanes 2 --ms 10 --pauses 6",
        "effects at rest",
        (),
        pause_at_once,
        in_parent=True,
    ),
}
SEEDS = (1, 2, 3)


def caught(name: str) -> str:
    """The words by which a run saw it, within three seeds; empty if none did."""
    mutant = MUTANTS[name]
    for seed in SEEDS:
        command = [sys.executable, "-m", "tests.chaos.run", "--seed", str(seed), "--mutant", name, *mutant.run.split()]
        with tempfile.TemporaryFile("w+") as said:
            subprocess.run(command, stdout=said, stderr=said, check=False)
            said.seek(0)
            lines = said.read().splitlines()
        if found := [line for line in lines if line.startswith("BROKEN") and mutant.seen_by in line]:
            return f"{found[0]} (seed {seed})"
        print(*lines[-20:], sep="\n", file=sys.stderr)
    return ""


def main() -> int:
    missed = 0
    for name in sys.argv[1:] or MUTANTS:
        found = caught(name)
        missed += not found
        print(f"{name:<20} {MUTANTS[name].what:<55} {found or 'NOT SEEN'}", flush=True)
    print("every mutant is seen" if not missed else f"{missed} mutants were not seen")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
