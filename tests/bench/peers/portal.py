"""The portal itself, with all that it guarantees, as it is installed."""

from __future__ import annotations

import os
import sys

from tests.bench.peers import side

BATCH = "peer"


def set_up() -> None:
    import django

    os.environ |= {"DJANGO_SETTINGS_MODULE": "batchportal.settings", "PORTAL_PROCESSORS": "tests.bench.processors"}
    os.environ |= {"DATABASE_URL": side.database(), "CELERY_BROKER_URL": side.broker(), "LOG_LEVEL": "ERROR"}
    django.setup()


def prepare() -> None:
    set_up()
    side.migrate()


def enqueue(items: int, mode: str) -> None:
    set_up()
    from batches import operations

    operations.submit(processor="bench.noop", items=side.payloads(items), batch_id=BATCH, concurrency=1)
    operations.start(BATCH)


def work(mode: str) -> None:
    set_up()
    os.environ["PORTAL_WORKERS"] = "1"
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "batchportal", "worker", "--concurrency", "1", "--beat"]
    command += ["--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    os.execv(sys.executable, command)


def verify() -> None:
    """`batch verify`, once the worker has settled the batch: RuntimeError with what is broken."""
    set_up()
    from batches.models import Batch
    from batches.operations.verification import verify as broken_in
    from tests.helpers.waiting import wait_until

    wait_until(lambda: Batch.objects.get(pk=BATCH).status == Batch.Status.COMPLETED, seconds=60)
    if broken := broken_in(BATCH):
        raise RuntimeError("; ".join(broken))
