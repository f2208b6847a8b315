"""huey with one worker process, over Valkey or over PostgreSQL. It takes a message away before it runs the task."""

from __future__ import annotations

import sys
from typing import Any

from huey import PostgresHuey, RedisHuey

from tests.bench.peers import side

over_valkey = sys.argv[-1] == "redis"
huey = RedisHuey("peer", url=side.broker()) if over_valkey else PostgresHuey("peer", dsn=side.database())


@huey.task()
def process(payload: dict[str, Any]) -> dict[str, str]:
    return side.outcome(payload)


def prepare() -> None:
    """It makes its tables when it is imported."""


def enqueue(items: int, mode: str) -> None:
    for payload in side.payloads(items):
        process(payload)


def work(mode: str) -> None:
    huey.create_consumer(workers=1, worker_type="process", periodic=False).run()
