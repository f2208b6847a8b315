"""django-q2 with its ORM broker, one worker and ten tasks fetched at a time; every result is kept."""

from __future__ import annotations

from tests.bench.peers import side

CLUSTER = {"name": "peer", "orm": "default", "workers": 1, "bulk": 10, "queue_limit": 50, "save_limit": 0}
CLUSTER |= {"timeout": 60, "retry": 120, "log_level": "ERROR"}
side.set_up_django("django_q", Q_CLUSTER=CLUSTER)

from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django_q.tasks import async_task  # noqa: E402


def prepare() -> None:
    side.migrate()


def enqueue(items: int, mode: str) -> None:
    with transaction.atomic():
        for payload in side.payloads(items):
            async_task("tests.bench.peers.side.outcome", payload)


def work(mode: str) -> None:
    call_command("qcluster", verbosity=0)
