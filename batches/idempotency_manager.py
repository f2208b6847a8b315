"""Exactly once: the response of an operation on an item, remembered for 24 hours under the operation's key.

Two callers at the same moment are decided by the primary key: the first commits the row before it begins, with a lease
that it renews, and the second waits for it and then finds the response. The effect and the response are one commit; a
crash of the first undoes it, and frees the key. Within a transaction of the caller's the row is part of that.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any, Literal

from django.db import Error as AnyDatabaseError
from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet

from batches import arguments, clock, coroutines, heartbeats, late_transactions
from batches.arguments import checked_id, checked_item
from batches.conf import settings
from batches.exceptions import IdempotencyConflict, InvalidInput, OperationInProgress
from batches.keys import TTL, key_of, request_hash
from batches.models import IdempotencyRecord
from batches.worker_names import is_dead, worker_name

logger = logging.getLogger("batches")

RECORDS_PER_TRANSACTION = 1_000
WAIT_SECONDS = 20.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.25  # seconds
STEP_TTL = timedelta(days=365)


def generate_key(batch_id: str, item_id: str, operation: str) -> str:
    """sha256 of `batch:item:operation`, 64 hexadecimal digits."""
    arguments.checked_text("operation", operation, without=":")
    return key_of(checked_id(batch_id), checked_item(item_id), operation)


def get_record(key: str) -> IdempotencyRecord | None:
    """The finished record of a key that has not expired, or None."""
    return IdempotencyRecord.objects.filter(
        key=checked_key(key), state=IdempotencyRecord.State.DONE, expires_at__gt=clock.now_sql()
    ).first()


def check_duplicate(key: str) -> Any:
    """The remembered response; None when the key is unknown or older than 24 hours."""
    record = get_record(key)
    return None if record is None else record.response


def store_result(key: str, request_data: Any, result: Any) -> IdempotencyRecord:
    """Remember a response for 24 hours. A key that is remembered with other arguments raises `IdempotencyConflict`."""
    requested = request_hash(request_data)
    with transaction.atomic():
        record = claim(checked_key(key), requested)
        if record is not None:
            return same_request(record, requested)
        return finish(key, result)


def remember_step(key: str, result: Any) -> Any:
    """Remember the result of a step of an item for a year, so that no retry repeats it; returns it."""
    store_result(key, None, result)
    IdempotencyRecord.objects.filter(key=key).update(expires_at=clock.now() + STEP_TTL)
    return result


def cleanup_expired() -> int:
    """Forget expired rows, a thousand a transaction; returns how many. Operations in progress are left alone, unless
    nobody has renewed their lease for 24 hours."""
    removed = 0
    done = Q(state=IdempotencyRecord.State.DONE)
    while True:
        old = IdempotencyRecord.objects.filter(
            done | Q(expires_at__lte=clock.now_sql() - TTL), expires_at__lte=clock.now_sql()
        )
        keys = list(old.values_list("pk", flat=True)[:RECORDS_PER_TRANSACTION])
        if not keys:
            return removed
        removed += old.filter(pk__in=keys).delete()[0]


def idempotent_operation(
    manager: Any,
    batch_id: str,
    item_id: str,
    operation: str,
    *,
    effects: Literal["database", "external"] = "database",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run the function once for this key: its effects in this database and its response commit together, and every
    further call answers that response. Other arguments raise `IdempotencyConflict`; an exception is not remembered.

    It may take as long as it needs: its transaction begins with its first statement. With `effects="external"` there is
    none, so that nobody waits for it even if it uses the database first; what it writes is its own to commit, and a
    crash in the middle has the next caller run it again. Within a transaction of the caller's it is part of that.
    `OperationInProgress` while another process is at it, after 20 seconds.

    An `async def` function stays one: its call is awaited, runs on the caller's event loop, and what it asks of
    Django's async ORM commits with its response. `InvalidInput` for a generator function: nothing of it would run.
    """
    if effects not in ("database", "external"):
        raise InvalidInput(f'effects is {effects!r}; it must be "database" or "external".')
    key = manager.generate_key(batch_id, item_id, operation)
    run_once = manager.run_once if effects == "database" else functools.partial(manager.run_once, effects=effects)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        coroutines.refuse_generator(function, "An idempotent operation")
        run: Callable[..., Any] = functools.partial(run_decorated, run_once, key, function)

        @functools.wraps(function)
        def once(*args: Any, **kwargs: Any) -> Any:
            return run(args, kwargs)

        @functools.wraps(function)
        async def once_awaited(*args: Any, **kwargs: Any) -> Any:
            return await coroutines.in_thread(run, args, kwargs)

        return once_awaited if coroutines.is_async(function) else once

    return decorate


def run_decorated(
    run: Callable[..., Any], key: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run the decorated function once with these arguments; a coroutine function is awaited to its end."""

    def result() -> Any:
        called = function(*args, **kwargs)
        if coroutines.is_async(function):
            return coroutines.run_to_end(called)
        return coroutines.refuse_awaitable(called, "An idempotent operation")

    return run(key, {"args": list(args), "kwargs": kwargs}, result)


def run_once(
    key: str, request_data: Any, function: Callable[[], Any], *, effects: Literal["database", "external"] = "database"
) -> Any:
    """The remembered response of the key, or that of the function, as `idempotent_operation` runs it."""
    requested = request_hash(request_data)
    if connection.in_atomic_block:
        return run_within(key, requested, function)
    hold = held(key, requested)
    if isinstance(hold, IdempotencyRecord):
        return hold.response
    try:
        with heartbeats.beating(hold.renew), late_transactions.begun_late() if effects == "database" else nullcontext():
            return hold.finish(function()).response
    except BaseException:
        hold.give_up()
        raise


def run_within(key: str, requested: str, function: Callable[[], Any]) -> Any:
    """The same in the caller's own transaction, with which the response is remembered, or is not."""
    with transaction.atomic():
        record = claim(key, requested)
        if record is not None:
            return same_request(record, requested).response
        return finish(key, function()).response


@dataclass(frozen=True, slots=True)
class Hold:
    """A key that an operation of this process has in progress, committed before it began."""

    key: str
    worker: str
    since: datetime

    def row(self) -> QuerySet[IdempotencyRecord]:
        """The row, unless somebody has taken it over since."""
        rows = IdempotencyRecord.objects.filter(key=self.key, state=IdempotencyRecord.State.IN_PROGRESS)
        return rows.filter(worker=self.worker, created_at=self.since)

    def renew(self) -> None:
        self.row().update(expires_at=lease_end())

    def finish(self, result: Any) -> IdempotencyRecord:
        """The row, done; `OperationInProgress` if its lease ran out and somebody else is at it."""
        return finish_row(self.row(), result)

    def give_up(self) -> None:
        """Let the next caller run it; a lease that cannot be given back runs out."""
        try:
            self.row().delete()
        except AnyDatabaseError as error:
            logger.warning("an operation that failed keeps its lease for now: %s", error)
            connection.close()


def held(key: str, requested: str) -> Hold | IdempotencyRecord:
    """The key, held from now on; or the record of an earlier call. One that is in progress is waited for a while."""
    until, pause = monotonic() + WAIT_SECONDS, SHORTEST_PAUSE
    while True:
        try:
            with transaction.atomic():
                hold = Hold(key, worker_name(), clock.now())
                record = claim(key, requested, hold)
            return hold if record is None else same_request(record, requested)
        except (OperationInProgress, OperationalError) as error:
            if isinstance(error, OperationalError) and "locked" not in str(error):
                raise
            if monotonic() > until:
                raise OperationInProgress(OperationInProgress.__doc__) from error
        sleep(pause)
        pause = min(LONGEST_PAUSE, 2 * pause)


def lease_end() -> Any:
    return clock.now_sql() + timedelta(seconds=settings.PORTAL_LEASE_SECONDS)


def claim(key: str, requested: str, hold: Hold | None = None) -> IdempotencyRecord | None:
    """Insert the key's row as this transaction's own or the hold's (None), or return the finished row of an earlier
    call. `OperationInProgress` while somebody else is at it. `requested` is the hash of the arguments."""
    forget_if_over(key)
    now, lease = clock.now(), timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
    row = IdempotencyRecord(key=key, request_hash=requested, state=IdempotencyRecord.State.IN_PROGRESS, created_at=now)
    if hold is not None:
        row.worker, row.created_at, row.expires_at = hold.worker, hold.since, now + lease
    fields = IdempotencyRecord._meta.concrete_fields
    columns = ", ".join(str(field.column) for field in fields)
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    marks = ", ".join(["%s"] * len(fields))
    table = IdempotencyRecord._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT (key) DO NOTHING", values)  # noqa: S608
        if cursor.rowcount == 1:
            return None
    earlier = IdempotencyRecord.objects.filter(key=key).first()
    if earlier is None or earlier.state == IdempotencyRecord.State.IN_PROGRESS:
        raise OperationInProgress(OperationInProgress.__doc__)
    return earlier


def forget_if_over(key: str) -> None:
    """Remove the key's row if it has expired, or if the process that had it in progress is gone."""
    row = IdempotencyRecord.objects.filter(key=key).first()
    if row is None or (row.state == IdempotencyRecord.State.IN_PROGRESS and not row.worker):
        return
    if (row.expires_at is not None and row.expires_at <= clock.now()) or (row.worker and is_dead(row.worker)):
        IdempotencyRecord.objects.filter(
            key=key, state=row.state, worker=row.worker, created_at=row.created_at
        ).delete()


def finish(key: str, result: Any) -> IdempotencyRecord:
    """The claimed row, done: the response as JSON gives it back, for 24 hours from now."""
    return finish_row(IdempotencyRecord.objects.filter(key=key), result)


def finish_row(rows: QuerySet[IdempotencyRecord], result: Any) -> IdempotencyRecord:
    """The same for the row as somebody holds it; `OperationInProgress` when it is his no longer."""
    now, record = clock.now(), rows.first()
    response = json.loads(arguments.json_text("result", result))
    values = {"state": IdempotencyRecord.State.DONE, "response": response, "created_at": now, "expires_at": now + TTL}
    if record is None or not rows.update(worker="", **values):
        raise OperationInProgress("The operation took so long that somebody else has begun it again; it was undone.")
    return IdempotencyRecord.objects.get(key=record.key)


def same_request(record: IdempotencyRecord, requested: str) -> IdempotencyRecord:
    """The record, or `IdempotencyConflict` if its arguments had another hash; an empty hash is not compared."""
    if requested and record.request_hash and record.request_hash != requested:
        raise IdempotencyConflict("This idempotency key was used before with other arguments.")
    return record


def checked_key(key: str) -> str:
    """The key, or `InvalidInput` if it is none."""
    if not isinstance(key, str) or len(key) != 64 or set(key) - set("0123456789abcdef"):
        raise InvalidInput("An idempotency key is 64 lower-case hexadecimal digits; make it with generate_key().")
    return key
