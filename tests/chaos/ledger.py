"""The processor under fire: every doing of an item leaves a row in a table that forbids nothing."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from batches import clock
from batches.processors import Context, ItemError, processor

CREATE = "CREATE TABLE chaos_ledger (batch_id varchar(64) NOT NULL, item_key varchar(200) NOT NULL)"

WRITTEN = "INSERT INTO chaos_ledger VALUES ('under-fire', NEW.name)"
WATCH_GROUPS = {
    "postgresql": [
        f"CREATE FUNCTION chaos_written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {WRITTEN}; RETURN NEW; END $$",
        "CREATE TRIGGER chaos_written AFTER INSERT OR UPDATE ON auth_group FOR EACH ROW"
        " EXECUTE FUNCTION chaos_written()",
    ],
    "sqlite": [
        f"CREATE TRIGGER chaos_made AFTER INSERT ON auth_group BEGIN {WRITTEN}; END",
        f"CREATE TRIGGER chaos_changed AFTER UPDATE ON auth_group BEGIN {WRITTEN}; END",
    ],
}
"""What `import_rows` writes leaves a row in the ledger each time, also where the key hides it."""


def hang() -> None:
    """For ever, whatever is raised into it."""
    while True:
        try:
            time.sleep(1)
        except BaseException:
            continue


POISONS: dict[str, Callable[[], Any]] = {
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "hang": hang,
    "memory": lambda: [bytearray(64 * 1024 * 1024) for _ in range(1_000)],
}


def leave_row(payload: dict[str, Any], context: Context) -> None:
    """The effect."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO chaos_ledger VALUES (%s, %s)", (context.batch_id, context.item_key))


@processor("chaos.ledger")
def write(payload: dict[str, Any], context: Context) -> dict[str, int]:
    """A row, perhaps some time, perhaps a failure after the row."""
    leave_row(payload, context)
    if payload.get("ms"):
        time.sleep(payload["ms"] / 1000)
    if payload.get("poison"):
        POISONS[payload["poison"]]()
    if payload.get("fails"):
        raise ItemError("it was to fail", code="PLANNED", category="validation")
    return {"position": context.position}


@processor("chaos.call", effects="external", parallel=1)
def call(payload: dict[str, Any], context: Context) -> dict[str, int]:
    """A call to the outside: a line of a file, whole also beside others'."""
    log = os.open(os.environ["CHAOS_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{context.position} {context.idempotency_key}\n".encode())
    os.close(log)
    time.sleep(payload["ms"] / 1000)
    if payload.get("fails"):
        raise ItemError("it was to fail", code="PLANNED", category="validation")
    return {"position": context.position}


@processor("chaos.ask", effects="external", parallel=1, on_unknown="ask")
def call_once(payload: dict[str, Any], context: Context) -> dict[str, int]:
    """The same for a receiver that would take a repeated call twice."""
    return call(payload, context)


def wrong_clock(path: Path) -> None:
    """From now on this process's clock is wrong by what the file says, drawn anew for each host: here, each process."""
    right = timezone.now
    known: dict[str, timedelta] = {}

    def wrong() -> datetime:
        said = path.read_text() if path.exists() else ""
        if said and said not in known:
            hours, _, whose = said.partition(" ")
            drawn = random.Random(f"{said} {os.getpid() if whose == 'each' else 0}")
            known[said] = timedelta(hours=drawn.uniform(-float(hours), float(hours)))
        return right() + known.get(said, timedelta())

    timezone.now = wrong
    clock.machine_now = wrong


if "CHAOS_CLOCK" in os.environ:
    wrong_clock(Path(os.environ["CHAOS_CLOCK"]))
if os.environ.get("CHAOS_MUTANT"):
    from tests.chaos.mutants import MUTANTS

    MUTANTS[os.environ["CHAOS_MUTANT"]].break_engine()
