"""A processor whose every behaviour is chosen by the payload: one line of a test says what happens."""

from __future__ import annotations

import io
import os
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Group, User
from django.db import connection, transaction

from batches.processors import Context, ItemError, RetryItem, SkipItem, processor


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def leave_effect(context: Context, name: str = "") -> None:
    """A row in another table: the effect that must exist exactly once."""
    Group.objects.create(name=name or f"{context.batch_id}/{context.item_key}")


@processor("test.do", max_attempts=3)
def do(payload: dict[str, Any], context: Context) -> Any:
    """Do what `mode` says."""
    mode = payload.get("mode", "ok")
    if payload.get("effect"):
        leave_effect(context)
    return MODES[mode](payload, context)


def have_effect(payload: dict[str, Any], context: Context) -> None:
    if not payload.get("effect"):
        leave_effect(context)


def swallow_orm_error(payload: dict[str, Any], context: Context) -> None:
    have_effect(payload, context)
    try:
        with transaction.atomic(savepoint=False):
            Group.objects.create(name=f"{context.batch_id}/{context.item_key}")
    except Exception:
        pass


def swallow_sql_error(payload: dict[str, Any], context: Context) -> None:
    have_effect(payload, context)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
    except Exception:
        pass


def guarded_error(payload: dict[str, Any], context: Context) -> str:
    """The right way to survive an error: a savepoint of one's own."""
    have_effect(payload, context)
    try:
        with transaction.atomic():
            Group.objects.create(name=f"{context.batch_id}/{context.item_key}")
    except Exception:
        return "survived"
    return "no error"


def raw(sql: str, params: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def fail_once(payload: dict[str, Any], context: Context) -> str:
    if context.attempt == 1:
        raise RetryItem("not yet", after=0)
    return f"attempt {context.attempt}"


def meet(payload: dict[str, Any], context: Context) -> None:
    """Be in hand at the same time as so many others, who may be late: their processes have to start first."""
    place = Path(payload["place"])
    (place / context.item_key).touch()
    until = time.monotonic() + 38  # no transaction may idle for 40 s
    while len(list(place.iterdir())) < payload["others"]:
        if time.monotonic() > until:
            raise TimeoutError("nobody came")
        time.sleep(0.01)


def raising(error: BaseException) -> Any:
    raise error


def count_once(payload: dict[str, Any], context: Context) -> Any:
    return context.once("step", lambda: {"attempt": context.attempt})


def past_django(execute: Any) -> Any:
    """A row of its own by the driver, of which Django hears nothing."""
    return execute(f"INSERT INTO auth_group (name) VALUES ('by the driver {uuid4()}')")


def copy_and_break(payload: dict[str, Any], context: Context) -> Any:
    """COPY, which Django has no word for; on SQLite what comes nearest."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.copy_expert("COPY auth_group (name) FROM STDIN", io.StringIO("by the driver\n"))
    else:
        past_django(connection.connection.execute)
    raise RuntimeError("broke")


MODES: dict[str, Any] = {
    "ok": lambda p, c: {"n": p.get("n")},
    "skip": lambda p, c: raising(SkipItem("nothing to do")),
    "invalid": lambda p, c: raising(ItemError("price is negative", code="PRICE", category="validation", field="price")),
    "error": lambda p, c: raising(RuntimeError("it broke")),
    "network": lambda p, c: raising(ConnectionRefusedError(111, "Connection refused")),
    "fail_once": fail_once,
    "later": lambda p, c: raising(RetryItem("not yet", after=3600)),
    "limited": lambda p, c: raising(ItemError("slow down", code="HTTP_429", category="rate_limit", after=0)),
    "exit": lambda p, c: sys.exit(3),
    "die": lambda p, c: os._exit(9),
    "interrupt": lambda p, c: raising(GeneratorExit()),
    "unprintable": lambda p, c: raising(Unprintable()),
    "huge_message": lambda p, c: raising(ValueError("x" * 10_000_000)),
    "nul_message": lambda p, c: raising(ValueError("a\x00b\ud800c")),
    "set_result": lambda p, c: {"values": {1, 2}},
    "nan_result": lambda p, c: {"value": float("nan")},
    "nul_result": lambda p, c: {"value": "a\x00b"},
    "surrogate_result": lambda p, c: {"value": "\ud800"},
    "large_result": lambda p, c: {"value": "x" * 70_000},
    "swallow_orm": swallow_orm_error,
    "swallow_sql": swallow_sql_error,
    "guarded": guarded_error,
    "commit": lambda p, c: raw("COMMIT"),
    "rollback": lambda p, c: raw("ROLLBACK"),
    "django_commit": lambda p, c: transaction.commit(),
    "commented_commit": lambda p, c: raw("/* now */ COMMIT"),
    "driver_commit": lambda p, c: connection.connection.commit(),
    "driver_rollback": lambda p, c: connection.connection.rollback(),
    "raw_commit": lambda p, c: bool(connection.connection.cursor().execute("COMMIT")),
    "raw_commit_and_fail": lambda p, c: (connection.connection.cursor().execute("COMMIT"), {1}),
    "driver_write": lambda p, c: (past_django(connection.connection.cursor().execute), raising(RuntimeError("broke"))),
    "driver_write_kept": lambda p, c: bool(past_django(connection.connection.cursor().execute)),
    "copy": copy_and_break,
    "no_sql": lambda p, c: raw("SELEKT 1"),
    "no_column": lambda p, c: raw("SELECT name,\n nothing FROM auth_group"),
    "no_type": lambda p, c: raw("SELECT %s", [object()]),
    "close": lambda p, c: connection.close(),
    "meet": meet,
    "sleep": lambda p, c: time.sleep(p.get("seconds", 1)),
    "deferred": lambda p, c: User.groups.through.objects.create(user_id=10**9, group_id=10**9).pk,
    "flood": lambda p, c: len([bytearray(64 * 1024 * 1024) for _ in range(1000)]),
    "unknown": lambda p, c: raising(ItemError("no answer came", code="UNKNOWN_OUTCOME", retryable=False)),
    "once": count_once,
    "key": lambda p, c: {"key": c.idempotency_key},
}
