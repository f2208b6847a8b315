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
from typing import Any

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


# -- what is broken ----------------------------------------------------------------------------------------------------


def never_idle_out() -> None:
    """A frozen worker's session is not ended by the server."""
    from django.db import connections

    connections.databases["default"]["OPTIONS"]["options"] = "-c application_name=batchportal"


def keep_fence() -> None:
    from django.db.models import F

    from batches.lanes import leased_rows, leases

    class Unraised:
        def __add__(self, more: int) -> Any:
            return F("fence")

    for module in (leased_rows, leases):
        module.F = lambda name: Unraised() if name == "fence" else F(name)  # type: ignore[attr-defined]
    never_idle_out()


def own_clock() -> None:
    from django.utils import timezone

    from batches.lanes import leased_rows, leases

    leased_rows.now_sql = leases.now_sql = lambda: timezone.now()
    never_idle_out()


def release_anybodys() -> None:
    from batches.lanes import leases
    from batches.models import Checkpoint

    leases._held = lambda lease: Checkpoint.objects.filter(pk=lease.checkpoint_id)
    never_idle_out()


def retry_from_memory() -> None:
    """After a lost connection the chunk in memory is done again."""
    from django.db import OperationalError

    from batches.engine import runner, statements

    recover, claim_items, again = runner.recover, runner.claim_items, {}

    def blindly(slice_: Any, error: Exception, tries: int) -> None:
        if isinstance(error, OperationalError) and slice_.claimed:
            again[0] = slice_.claimed
        recover(slice_, error, tries)

    def claim(slice_: Any, most: int) -> Any:
        items = again.pop(0, None)
        return statements.Claim("RUNNING", items) if items else claim_items(slice_, most)

    runner.recover, runner.claim_items = blindly, claim  # type: ignore[assignment]


def other_connection() -> Any:
    import psycopg2
    from django.db import connection

    other = psycopg2.connect(**connection.get_connection_params() | {"connection_factory": None})
    other.autocommit = True
    return other


def effect_elsewhere() -> None:
    from tests.chaos import ledger

    def write(payload: dict[str, Any], context: Any) -> None:
        other = other_connection()
        other.cursor().execute("INSERT INTO chaos_ledger VALUES (%s, %s)", (context.batch_id, context.item_key))
        other.close()

    ledger.leave_row = write


def count(lane: int, items: int) -> None:
    from django.db.models import F

    from batches.models import Checkpoint

    Checkpoint.objects.filter(pk=lane).update(succeeded=F("succeeded") + items)


def count_afterwards() -> None:
    from batches.engine import runner

    advance = runner.advance

    def counting(slice_: Any, done: list[Any]) -> None:
        advance(slice_, done)
        count(slice_.lease.checkpoint_id, len([outcome for outcome in done if outcome.status == "SUCCEEDED"]))

    runner.advance = counting


def count_before() -> None:
    from batches.engine import runner

    process = runner.process_items

    def counting(slice_: Any, items: list[Any]) -> list[Any]:
        done = process(slice_, items)
        succeeded = len([outcome for outcome in done if outcome.status == "SUCCEEDED"])
        other = other_connection()
        sql = "UPDATE batches_checkpoint SET succeeded = succeeded + %s WHERE id = %s"
        other.cursor().execute(sql, (succeeded, slice_.lease.checkpoint_id))
        other.close()
        return done

    runner.process_items = counting


def outcome_first() -> None:
    from batches.engine import runner

    process = runner.process_items

    def promising(slice_: Any, items: list[Any]) -> list[Any]:
        other = other_connection()
        sql = "UPDATE batches_item SET status = 'SUCCEEDED' WHERE id = ANY(%s)"
        other.cursor().execute(sql, ([item.id for item in items],))
        other.close()
        return process(slice_, items)

    runner.process_items = promising


def forget_keys() -> None:
    from batches.lanes import outcomes

    succeeded = outcomes.succeeded

    def forgetful(*given: Any) -> Any:
        outcome = succeeded(*given)
        outcome.remembered = True
        return outcome

    outcomes.succeeded = forgetful


def mark_nothing() -> None:
    from batches.lanes import leases

    leases.mark_in_flight = lambda lease, item: None


def believe_items() -> None:
    """A database error that a processor swallows, as its last act, is not looked for."""
    from django.contrib.auth.models import Group
    from django.db import transaction

    from batches.isolation.guard import Isolation
    from tests.chaos import ledger

    leave_row = ledger.leave_row

    def swallow(payload: dict[str, Any], context: Any) -> None:
        leave_row(payload, context)
        if context.position % 50 == 7:
            try:
                with transaction.atomic(savepoint=False):
                    Group.objects.create(pk="no number")
            except Exception:
                return

    def undo_silently(self: Any) -> None:
        if self.connection.needs_rollback:
            self.undo(ValueError())

    ledger.leave_row = swallow
    Isolation.check_honesty = undo_silently  # type: ignore[method-assign]


def store_anything() -> None:
    """Error text is stored as it comes; some holds what no database takes."""
    from batches.lanes import outcomes
    from batches.processors import ItemError
    from tests.chaos import ledger

    def fail(payload: dict[str, Any], context: Any) -> None:
        if context.position % 50 == 7:
            raise ItemError("a\x00b", code="NUL")

    outcomes.storable = lambda text: text
    ledger.leave_row = fail


def never_sweep() -> None:
    from batches import tasks

    tasks.sweep_now = nothing


def pause_at_once() -> None:
    from batches import operations
    from batches.models import TRANSITIONS, Batch

    operations.VERBS["pause"][Batch.Status.RUNNING] = Batch.Status.PAUSED
    TRANSITIONS[Batch.Status.RUNNING][Batch.Status.PAUSED] = "too early"


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
