"""Celery with Valkey for its broker and results in PostgreSQL; a message is acknowledged after its task."""

from __future__ import annotations

from typing import Any

from celery import Celery

from tests.bench.peers import side

app = Celery("peer", broker=side.broker())
app.conf.update(
    result_backend="django-db",
    task_acks_late=True,
    broker_connection_retry_on_startup=True,
    task_default_queue="peer",
)


@app.task(name="peer.process")
def process(payload: dict[str, Any]) -> dict[str, str]:
    return side.outcome(payload)


def prepare() -> None:
    side.set_up_django("django_celery_results")
    side.migrate()


def enqueue(items: int, mode: str) -> None:
    side.set_up_django("django_celery_results")
    if mode == "chunks":
        process.chunks([(payload,) for payload in side.payloads(items)], 10).apply_async()
        return
    with app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection)
        for payload in side.payloads(items):
            process.apply_async((payload,), producer=producer)


def work(mode: str) -> None:
    side.set_up_django("django_celery_results", kept=mode != "installed")
    app.worker_main(
        ["--quiet", "worker", "--concurrency=1", "--loglevel=ERROR", "--without-gossip", "--without-mingle"]
    )
