"""django-tasks with its database backend and worker."""

from __future__ import annotations

from typing import Any

from tests.bench.peers import side

side.set_up_django("django_tasks", "django_tasks_db", TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}})

from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django_tasks import task  # noqa: E402


@task()
def process(payload: dict[str, Any]) -> dict[str, str]:
    return side.outcome(payload)


def prepare() -> None:
    side.migrate()


def enqueue(items: int, mode: str) -> None:
    with transaction.atomic():
        for payload in side.payloads(items):
            process.enqueue(payload)


def work(mode: str) -> None:
    call_command("db_worker", "--no-startup-delay", verbosity=0)
