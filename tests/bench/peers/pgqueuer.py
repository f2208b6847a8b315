"""pgqueuer over asyncpg. Its log says that a job succeeded, not with what: with "results" a task writes that itself."""

from __future__ import annotations

import asyncio
import json
import signal

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from tests.bench.peers import side

RECORD = "UPDATE peer_item SET result = $2::jsonb, finished_at = now() WHERE id = $1"
AT_ONCE = 1_000


def prepare() -> None:
    async def install() -> None:
        connection = await asyncpg.connect(side.database())
        await Queries(AsyncpgDriver(connection)).install()
        await connection.execute(side.ITEM_ROWS)
        await connection.close()

    asyncio.run(install())


def enqueue(items: int, mode: str) -> None:
    async def fill() -> None:
        connection = await asyncpg.connect(side.database())
        queries = Queries(AsyncpgDriver(connection))
        await connection.execute(side.ADD_ITEM_ROWS.format(items))
        given = [json.dumps(payload).encode() for payload in side.payloads(items)]
        for first in range(0, items, AT_ONCE):
            some = given[first : first + AT_ONCE]
            await queries.enqueue(["process"] * len(some), some, [0] * len(some))
        await connection.close()

    asyncio.run(fill())


def work(mode: str) -> None:
    uvloop.run(worker(int(mode.split()[0]), results=mode.endswith("results")))


async def worker(batch_size: int, results: bool) -> None:
    connection = await asyncpg.connect(side.database())
    pool = await asyncpg.create_pool(side.database(), min_size=5, max_size=5)
    queue = PgQueuer(AsyncpgDriver(connection))

    @queue.entrypoint("process")
    async def process(job: Job) -> None:
        payload = json.loads(job.payload or b"")
        result = json.dumps(side.outcome(payload))
        if results:
            await pool.execute(RECORD, payload["n"], result)

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, queue.shutdown.set)
    await queue.run(batch_size=batch_size)
