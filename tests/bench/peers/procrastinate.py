"""procrastinate over psycopg's pool. It stores no results: with "results" a task writes its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import procrastinate

from tests.bench.peers import side

RECORD = "UPDATE peer_item SET result = %(result)s::jsonb, finished_at = now() WHERE id = %(n)s"
AT_ONCE = 1_000
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=side.database()))


@app.task(name="peer.process")
async def process(n: int, name: str) -> None:
    side.outcome({"n": n, "name": name})


@app.task(name="peer.process_and_record")
async def process_and_record(n: int, name: str) -> None:
    result = json.dumps(side.outcome({"n": n, "name": name}))
    await app.connector.execute_query_async(RECORD, n=n, result=result)


@contextmanager
def opened() -> Iterator[procrastinate.SyncPsycopgConnector]:
    connector = procrastinate.SyncPsycopgConnector(conninfo=side.database())
    with app.replace_connector(connector), app.open():
        yield connector


def prepare() -> None:
    with opened() as connector:
        app.schema_manager.apply_schema()
        connector.execute_query(side.ITEM_ROWS)


def enqueue(items: int, mode: str) -> None:
    task = process_and_record if mode.endswith("results") else process
    given = side.payloads(items)
    with opened() as connector:
        connector.execute_query(side.ADD_ITEM_ROWS.format(items))
        for first in range(0, items, AT_ONCE):
            task.batch_defer(*given[first : first + AT_ONCE])


def work(mode: str) -> None:
    app.run_worker(concurrency=int(mode.split()[0]))
