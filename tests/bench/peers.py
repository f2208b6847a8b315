"""The portal's worker beside Celery with a task for every item: `python -m tests.bench.peers`.

Both have one worker process, Valkey and PostgreSQL, and both keep a result for every item; the peer has no savepoints,
no checkpoints and nothing exactly once. Speeds are counted from the first item's end to the last one's. "As installed"
the peer connects to the database with every task; "kept" it does not.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery, shared_task

ITEMS, PEER_ITEMS, ROUNDS = 20_000, 2_000, 3
QUEUE = "peer"
app = Celery("peer", broker=os.environ.get("CELERY_BROKER_URL"))
app.conf.update(task_default_queue=QUEUE, task_ignore_result=True, task_acks_late=True)


@shared_task(name="peer.process")
def process(pk: int) -> None:
    """What a task for every item comes to: read it, work on it, write what became of it."""
    from django.utils import timezone

    from batches.models import Item
    from tests.bench.floors import trivial

    item = Item.objects.get(pk=pk)
    item.result, item.status, item.finished_at = trivial(item.payload, None), Item.Status.SUCCEEDED, timezone.now()
    item.save(update_fields=["result", "status", "finished_at"])


def main() -> None:
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.starter import end_in_order
    from tests.servers.valkey import Valkey

    end_in_order()
    server, valkey = PostgreSQL(settings=("fsync=on", "synchronous_commit=on")).start(), Valkey().start()
    try:
        with tempfile.TemporaryDirectory() as var:
            os.environ.update(PORTAL_VAR=var, DJANGO_SETTINGS_MODULE="batchportal.settings", LOG_LEVEL="ERROR")
            os.environ.update(DATABASE_URL=server.create("bench"), CELERY_BROKER_URL=valkey.url, PORTAL_WORKERS="1")
            os.environ["PORTAL_PROCESSORS"] = "tests.bench.processors"
            measure()
    finally:
        valkey.kill()
        server.stop()


def measure() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    app.conf.broker_url = os.environ["CELERY_BROKER_URL"]
    speed: dict[str, list[float]] = {"portal": [], "as installed": [], "kept": []}
    for number in range(ROUNDS):
        speed["portal"].append(by_portal(f"portal-{number}"))
        speed["as installed"].append(by_celery(f"installed-{number}", os.environ["DATABASE_URL"]))
        speed["kept"].append(by_celery(f"kept-{number}", f"{os.environ['DATABASE_URL']}?conn_max_age=600"))
    for who, wanted in (("as installed", 40), ("kept", 20)):
        ratios = [mine / theirs for mine, theirs in zip(speed["portal"], speed[who], strict=True)]
        ratio = statistics.median(ratios)
        print(
            f"portal {statistics.median(speed['portal']):,.0f} items/s   Celery, a task an item, {who:<12} "
            f"{statistics.median(speed[who]):>5,.0f} items/s   {ratio:5.1f}  >= {wanted}  "
            f"{'ok' if ratio >= wanted else 'MISSED'}  ({min(ratios):.1f}-{max(ratios):.1f})"
        )


def by_portal(batch_id: str) -> float:
    from tests.bench.engine import submitted

    submitted(batch_id, items=ITEMS)  # the worker's first sweep finds it
    with worker("batchportal", "--beat"):
        return speed_of(batch_id, ITEMS)


def by_celery(batch_id: str, url: str) -> float:
    from batches.models import Batch, Item
    from tests.bench.engine import submitted

    submitted(batch_id, items=PEER_ITEMS)
    Batch.objects.filter(pk=batch_id).update(status=Batch.Status.PENDING)  # it is none of the portal's business
    with app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection)
        for pk in Item.objects.filter(batch=batch_id).order_by("position").values_list("pk", flat=True):
            app.tasks["peer.process"].apply_async((pk,), producer=producer)
    with worker("tests.bench.peers", DATABASE_URL=url):
        return speed_of(batch_id, PEER_ITEMS)


@contextmanager
def worker(name: str, *more: str, **environment: str) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "--quiet", "-A", name, "worker", "--concurrency", "1", *more]
    command += ["--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(command, cwd=root, env=os.environ | environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def speed_of(batch_id: str, items: int) -> float:
    """Items a second, once all of them are done."""
    from django.db.models import Count, Max, Min

    from batches.models import Item

    rows = Item.objects.filter(batch=batch_id, status=Item.Status.SUCCEEDED)
    while True:
        found = rows.aggregate(n=Count("pk"), first=Min("finished_at"), last=Max("finished_at"))
        if found["n"] == items:
            return float(items / (found["last"] - found["first"]).total_seconds())
        time.sleep(1)


if __name__ == "__main__":
    from tests.bench import peers

    peers.main()
