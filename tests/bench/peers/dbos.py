"""DBOS: one workflow in which every item is a step, or a queue with a workflow for every item."""

from __future__ import annotations

import signal
import threading
from typing import Any

from dbos import DBOS, DBOSConfig

from tests.bench.peers import side

config: DBOSConfig = {
    "name": "peer",
    "system_database_url": side.database().replace("postgres://", "postgresql+psycopg://"),
    "log_level": "WARNING",
    "application_version": "1",
}
DBOS(config=config)


@DBOS.step()
def process(payload: dict[str, Any]) -> dict[str, str]:
    return side.outcome(payload)


@DBOS.workflow()
def process_all(payloads: list[dict[str, Any]]) -> None:
    for payload in payloads:
        process(payload)


@DBOS.workflow()
def process_one(payload: dict[str, Any]) -> dict[str, str]:
    return side.outcome(payload)


def prepare() -> None:
    launch()
    DBOS.destroy()


def launch() -> None:
    DBOS.launch()
    for queue in ("all", "single"):
        DBOS.register_queue(queue, worker_concurrency=100, polling_interval_sec=0.1)


def enqueue(items: int, mode: str) -> None:
    DBOS.listen_queues([])  # or this process would begin with the work
    DBOS.launch()
    if mode == "steps":
        DBOS.enqueue_workflow("all", process_all, side.payloads(items))
    else:
        for payload in side.payloads(items):
            DBOS.enqueue_workflow("single", process_one, payload)
    DBOS.destroy()


def work(mode: str) -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    launch()
    ended.wait()
    DBOS.destroy()
