"""The Celery door: what time alone does to error groups."""

from __future__ import annotations

from celery import shared_task

from batches.tasks import patient
from errors import clean_retries, groups


@shared_task(name="errors.tasks.sweep", ignore_result=True)
def sweep() -> None:
    """Every minute: end what was ignored until a date, and decide what waits for a retry that is over."""
    with patient():
        groups.unignore_due()
        clean_retries.settle()
