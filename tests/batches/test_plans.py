"""A chunk reads the rows of its own items, whatever PostgreSQL believed of the tables when it planned them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from batches import clock
from batches.engine import statements
from batches.engine.call_marks import Marks
from batches.lanes import leases, outcomes
from batches.models import Batch, Checkpoint, Item
from batches.processors import Processor
from batches.redaction import SharedSources

TABLES = ("batches_item", "batches_checkpoint", "batches_idempotencyrecord")
ITEMS, CHUNK = 2_000, 10
NOOP = Processor(name="noop", function=dict)
CALL = Processor(name="call", function=dict, effects="external")


@pytest.fixture(autouse=True)
def tables(db: None) -> Iterator[None]:
    """Tables of this session alone, so that nobody else analyzes them, and no plans from before."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite plans each statement anew, with the same index")
    for table in TABLES:
        execute(f"CREATE TEMP TABLE {table} (LIKE public.{table} INCLUDING ALL)")
    execute("DISCARD PLANS")
    yield
    execute("DISCARD PLANS")


def execute(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


def analyze() -> None:
    for table in TABLES:
        execute(f"ANALYZE {table}")


def filled(batch_id: str, items: int = ITEMS) -> leases.Lease:
    """A batch of items of which each second one is a retry, all due since the same moment."""
    Batch.objects.create(pk=batch_id, processor="noop", status=Batch.Status.RUNNING, total_items=items)
    due = [None, clock.now()]
    Item.objects.bulk_create(
        Item(batch_id=batch_id, position=n, key=str(n), payload={}, available_at=due[n % 2]) for n in range(items)
    )
    lane = Checkpoint.objects.create(batch_id=batch_id, lane=0, fence=1)
    return leases.Lease(lane.pk, batch_id, 0, 1, "worker", -1, 0)


def ran(lease: leases.Lease) -> list[int]:
    """Each statement of a chunk once; positions of the items it recorded."""
    after = lease.position
    onward = statements.claim(lease, CHUNK, after=after, upto=after + 1_000).items
    lease.position = max((item.position for item in onward), default=after)
    due = statements.claim_due(lease, CHUNK).items
    alone = [item for claimed in due[:1] for item in statements.claim_one(lease, claimed.id).items]
    assert alone == due[:1]
    now = clock.machine_now()
    done = [outcomes.succeeded(item, {}, now, SharedSources()) for item in (*onward, *due)]
    statements.record(lease, done, position=lease.position, careful=0, processor=NOOP)
    return [item.position for item in (*onward, *due)]


def called(lease: leases.Lease) -> list[int]:
    """The same with calls to the outside."""
    after, marks = lease.position, Marks(clock.machine_now(), with_keys=True)
    onward = statements.claim(lease, CHUNK, after=after, upto=after + 1_000, marks=marks).items
    lease.position = max((item.position for item in onward), default=after)
    due = statements.claim_due(lease, CHUNK, marks).items
    done = [outcomes.succeeded(item, {}, marks.at, SharedSources()) for item in (*onward, *due)]
    statements.record(lease, done, position=lease.position, careful=0, processor=CALL)
    return [item.position for item in (*onward, *due)]


def rows_read() -> int:
    return int(
        execute(
            "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables "
            "WHERE schemaname LIKE 'pg_temp%'"
        )
    )


STATISTICS = ["none", "of empty tables", "of empty tables, planned then", "of another batch", "full"]


@pytest.mark.parametrize("statistics", STATISTICS)
def test_it_reads_the_rows_of_a_chunk_and_no_others(statistics: str) -> None:
    if statistics == "of another batch":
        filled("before")
    if statistics.startswith("of"):
        analyze()
    if statistics.endswith("planned then"):
        ran(filled("empty", items=0))
        called(filled("empty of calls", items=0))
    lease = filled("a")
    if statistics == "full":
        analyze()
    before, positions = rows_read(), [position for chunk in (ran, called, ran, called) for position in chunk(lease)]
    assert sorted(positions) == list(range(80))
    assert rows_read() - before < 10 * len(positions)
