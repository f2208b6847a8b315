"""What is measured, row by row of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    name: str
    """What `--only` takes."""
    title: str
    """Its row in docs/benchmarks.md."""
    module: str
    """Its file here, and the name of its requirements; the portal has none, it runs where the bench runs."""
    done: str
    """How many items are finished: SQL with one number for its answer, or `HLEN key` for a hash of the broker's."""
    mode: str = ""
    """Which way the module goes, where it knows several."""
    share: float = 0.1
    """Of `--items`: one that is ten times slower need not run ten times longer."""
    at_least: float | None = None
    """The portal's goal: so many times this speed."""


CELERY = "SELECT count(*) FROM django_celery_results_taskresult WHERE status = 'SUCCESS'"
PGQUEUER = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"
PROCRASTINATE = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
DBOS_STEPS = "SELECT count(*) FROM dbos.operation_outputs"
DBOS_QUEUE = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"
DJANGO_TASKS = "SELECT count(*) FROM django_tasks_database_dbtaskresult WHERE status = 'SUCCESSFUL'"

PORTAL = Peer("portal", "the portal", "portal", "SELECT coalesce(sum(succeeded), 0) FROM batches_checkpoint", share=1.0)
PEERS = (
    PORTAL,
    Peer("celery", "Celery, a task an item, as installed", "celery", CELERY, "installed", at_least=40),
    Peer("celery-kept", "Celery, a task an item, connections kept", "celery", CELERY, "kept", at_least=20),
    Peer(
        "celery-chunks",
        "Celery, chunks of 10, connections kept",
        "celery",
        CELERY.replace("count", "10 * count"),
        "chunks",
        0.2,
    ),
    Peer("pgqueuer", "pgqueuer, batches of 10, no results stored", "pgqueuer", PGQUEUER, "10", share=1.0, at_least=1.5),
    Peer(
        "pgqueuer-results",
        "pgqueuer, batches of 10, a row written for each result",
        "pgqueuer",
        PGQUEUER,
        "10 results",
        0.2,
        at_least=1.5,
    ),
    Peer("pgqueuer-100", "pgqueuer, batches of 100, no results stored", "pgqueuer", PGQUEUER, "100", share=1.0),
    Peer(
        "procrastinate",
        "procrastinate, one at a time, a row written for each result",
        "procrastinate",
        PROCRASTINATE,
        "1 results",
        at_least=15,
    ),
    Peer(
        "procrastinate-10",
        "procrastinate, 10 at once, a row written for each result",
        "procrastinate",
        PROCRASTINATE,
        "10 results",
        at_least=15,
    ),
    Peer(
        "procrastinate-bare",
        "procrastinate, 10 at once, no results stored",
        "procrastinate",
        PROCRASTINATE,
        "10",
        at_least=15,
    ),
    Peer("dbos-steps", "DBOS, a workflow with a step an item", "dbos", DBOS_STEPS, "steps", at_least=15),
    Peer("dbos-queue", "DBOS, a workflow an item, a queue with 100 at once", "dbos", DBOS_QUEUE, "queue"),
    Peer("django-tasks", "django-tasks, database backend", "django_tasks", DJANGO_TASKS),
    Peer("django-q2", "django-q2, ORM broker", "django_q2", "SELECT count(*) FROM django_q_task WHERE success"),
    Peer("huey-sql", "huey, PostgreSQL", "huey", "SELECT count(*) FROM huey_kv", "sql"),
    Peer("huey-redis", "huey, Valkey, results there too", "huey", "HLEN huey.results.peer", "redis", share=0.2),
)
