"""Exactly once: the response of an operation on an item, remembered for 24 hours under the operation's key.

Two callers at the same moment are decided by the primary key: the first inserts the row in the transaction of its own
effect, the second waits for that transaction and then finds the response. A crash of the first undoes both.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from time import monotonic, sleep
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Q

from batches import clock, coroutines
from batches.adhoc import checked_id, checked_item
from batches.exceptions import IdempotencyConflict, InvalidInput, OperationInProgress
from batches.keys import TTL, key_of
from batches.models import IdempotencyRecord

RECORDS_PER_TRANSACTION = 1_000
WAIT_SECONDS = 2.0
STEP_TTL = timedelta(days=365)


def generate_key(batch_id: str, item_id: str, operation: str) -> str:
    """sha256 of `batch:item:operation`, 64 hexadecimal digits."""
    if not isinstance(operation, str) or not operation or ":" in operation:
        raise InvalidInput(
            f"{operation!r} is no operation: it must be text without a colon.", {"operation": ["No colon."]}
        )
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
    """Forget expired rows, a thousand a transaction; returns how many. Rows in progress are left alone."""
    removed = 0
    while True:
        old = IdempotencyRecord.objects.filter(state=IdempotencyRecord.State.DONE, expires_at__lte=clock.now_sql())
        keys = list(old.values_list("pk", flat=True)[:RECORDS_PER_TRANSACTION])
        if not keys:
            return removed
        removed += old.filter(pk__in=keys).delete()[0]


def idempotent_operation(
    manager: Any, batch_id: str, item_id: str, operation: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run the function once for this key: its effects in this database and its response commit together, and every
    further call answers that response. Other arguments raise `IdempotencyConflict`; an exception is not remembered.

    An `async def` function stays one: its call is awaited, runs on the caller's event loop, and what it asks of
    Django's async ORM commits with its response. `InvalidInput` for a generator function: nothing of it would run.
    """
    key = manager.generate_key(batch_id, item_id, operation)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        coroutines.refuse_generator(function, "An idempotent operation")
        run: Callable[..., Any] = functools.partial(run_decorated, manager.run_once, key, function)

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


def run_once(key: str, request_data: Any, function: Callable[[], Any]) -> Any:
    """The remembered response of the key, or that of the function, run in one transaction with its record."""
    requested, until = request_hash(request_data), monotonic() + WAIT_SECONDS
    while True:
        try:
            with transaction.atomic():
                record = claim(key, requested)
                if record is not None:
                    return same_request(record, requested).response
                return finish(key, function()).response
        except OperationalError as error:
            if "locked" not in str(error) or monotonic() > until:
                raise OperationInProgress("The same operation is being done elsewhere at this moment.") from error
            sleep(0.02)


def claim(key: str, requested: str) -> IdempotencyRecord | None:
    """Insert the key's row as this transaction's own (None), or return the finished row of an earlier call.

    `OperationInProgress` while another transaction is at it. `requested` is the hash of the arguments.
    """
    now = clock.now()
    IdempotencyRecord.objects.filter(Q(expires_at__lte=now), key=key, state=IdempotencyRecord.State.DONE).delete()
    row = IdempotencyRecord(key=key, request_hash=requested, state=IdempotencyRecord.State.IN_PROGRESS, created_at=now)
    fields = IdempotencyRecord._meta.concrete_fields
    columns = ", ".join(str(field.column) for field in fields)
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    marks = ", ".join(["%s"] * len(fields))
    table = IdempotencyRecord._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT (key) DO NOTHING", values)  # noqa: S608
        if cursor.rowcount == 1:
            return None
    earlier = IdempotencyRecord.objects.get(key=key)
    if earlier.state == IdempotencyRecord.State.IN_PROGRESS:
        raise OperationInProgress("The same operation is being done elsewhere at this moment.")
    return earlier


def finish(key: str, result: Any) -> IdempotencyRecord:
    """The claimed row, done: the response as JSON gives it back, for 24 hours from now."""
    now = clock.now()
    response = json.loads(json_text(result, "result"))
    IdempotencyRecord.objects.filter(key=key).update(
        state=IdempotencyRecord.State.DONE, response=response, created_at=now, expires_at=now + TTL
    )
    return IdempotencyRecord.objects.get(key=key)


def same_request(record: IdempotencyRecord, requested: str) -> IdempotencyRecord:
    """The record, or `IdempotencyConflict` if its arguments had another hash; an empty hash is not compared."""
    if requested and record.request_hash and record.request_hash != requested:
        raise IdempotencyConflict("This idempotency key was used before with other arguments.")
    return record


def request_hash(request_data: Any) -> str:
    """sha256 of the arguments as canonical JSON; empty for None, which is not compared."""
    if request_data is None:
        return ""
    return sha256(json_text(request_data, "request data", lenient=True).encode()).hexdigest()


def json_text(value: Any, what: str, lenient: bool = False) -> str:
    """The value as JSON; `InvalidInput` if it is none. `lenient`: with the `repr` of what JSON does not know."""
    try:
        return json.dumps(value, sort_keys=lenient, allow_nan=lenient, default=repr if lenient else None)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The {what} is not JSON: {error}") from error


def checked_key(key: str) -> str:
    """The key, or `InvalidInput` if it is none."""
    if not isinstance(key, str) or len(key) != 64 or set(key) - set("0123456789abcdef"):
        raise InvalidInput("An idempotency key is 64 lower-case hexadecimal digits; make it with generate_key().")
    return key
