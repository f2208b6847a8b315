"""The Celery door: what time alone does to error groups, and what takes too long for a page or a request."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.core.cache import cache
from django.utils import timezone

from batches.models import Batch
from batches.tasks import database_may_be_away, enqueue, should_stop, termination_deferred
from errors import exports, findings, groups
from errors.exports import file_writer
from errors.groups import background, clean_retries
from errors.recovery import plan_runs, recommendations

ASKED_EVERY = 20
"""Seconds between two requests to the workers to look at one batch."""
REPEATED_FOR = timedelta(hours=1)
"""So long after a large batch is over the sweep sees to it that somebody looked at it."""


@shared_task(name="errors.tasks.sweep", ignore_result=True)
def sweep() -> None:
    """Every minute: end what was ignored until a date, decide what waits for a retry that is over, wake exports."""
    with database_may_be_away():
        groups.unignore_due()
        clean_retries.settle()
        plan_runs.advance_all()
        for pk in exports.waiting().values_list("pk", flat=True):
            exports.enqueue(pk)
        exports.expire()
        for pk in background.waiting().values_list("pk", flat=True):
            background.send(pk)
        for batch_id in findings.large_and_over(timezone.now() - REPEATED_FOR):
            look_if_large(batch_id)


@shared_task(name="errors.tasks.make_export", ignore_result=True)
def make_export(pk: int) -> None:
    """Go on with an export for a while, then queue up behind the others."""
    with database_may_be_away(), termination_deferred():
        if file_writer.work(pk, should_stop=should_stop) and not should_stop():
            exports.enqueue(pk)


@shared_task(name="errors.tasks.move_group", ignore_result=True)
def move_group(pk: int) -> None:
    """Merge or split groups of very many errors."""
    with database_may_be_away(), termination_deferred():
        background.work(pk)


@shared_task(name="errors.tasks.look", ignore_result=True)
def look(batch_id: str) -> None:
    """Find what a large batch's failures have in common, and what to do about them: too much for a page to wait for."""
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        return
    with database_may_be_away():
        findings.findings(batch)
        recommendations.current(batch, recommendations.errors_of(batch))


def ask_for_look(batch_id: str) -> None:
    """Somebody waits for it; one request to the workers is enough, however many do."""
    if cache.add(f"look:{batch_id}", True, ASKED_EVERY):
        enqueue(look, batch_id)


def look_if_large(batch_id: str) -> None:
    """So that the first person who opens a large batch's report need not wait for it; the sweep repeats it."""
    batch = Batch.objects.filter(pk=batch_id, total_items__gt=findings.IN_PAGE).first()
    if batch is not None and findings.is_due(batch):
        enqueue(look, batch_id)
