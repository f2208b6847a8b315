"""Ways to break the engine, each of which a run under fire must see: `tests/chaos/mutants.py` says by what."""

from __future__ import annotations

from typing import Any


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


def ask_nobody() -> None:
    """A lost call is made again, although its receiver would take it twice."""
    from batches.lanes import unknown_outcomes

    unknown_outcomes.asks_a_person = lambda batch, processor: False


def never_sweep() -> None:
    from batches import tasks

    tasks.sweep_now = lambda: None


def pause_at_once() -> None:
    from batches import operations
    from batches.models import TRANSITIONS, Batch

    operations.VERBS["pause"][Batch.Status.RUNNING] = Batch.Status.PAUSED
    TRANSITIONS[Batch.Status.RUNNING][Batch.Status.PAUSED] = "too early"
