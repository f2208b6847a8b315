"""The Celery door: what time alone does to error groups, and what takes too long for a page or a request."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from batches.models import Batch
from batches.tasks import database_may_be_away, should_stop, termination_deferred
from errors import expiry, exports, findings, groups
from errors.exports import file_writer
from errors.findings import looks
from errors.grouping import failing_now
from errors.groups import background, clean_retries
from errors.recovery import kept_predictions, plan_runs, recommendations

RECENTLY = timedelta(hours=1)
"""For this long after a large batch is over, the sweep makes sure that a worker looks at it."""


@shared_task(name="errors.tasks.sweep", ignore_result=True)
def sweep() -> None:
    """Every minute: end what was ignored until a date, decide what waits for a retry that is over, wake exports."""
    with database_may_be_away():
        groups.unignore_due()
        clean_retries.settle()
        plan_runs.advance_all()
        kept_predictions.compare()
        failing_now.refresh_stale()
        for pk in exports.waiting().values_list("pk", flat=True):
            exports.enqueue(pk)
        exports.expire()
        for pk in background.waiting_jobs().values_list("pk", flat=True):
            background.send(pk)
        for batch_id in findings.large_batches_over_since(timezone.now() - RECENTLY):
            looks.look_if_large(batch_id)


@shared_task(name="errors.tasks.clean_up", ignore_result=True)
def clean_up() -> None:
    """Forget what has expired or was long ago."""
    with database_may_be_away():
        expiry.forget_expired()


@shared_task(name="errors.tasks.make_export", ignore_result=True)
def make_export(pk: int) -> None:
    """Go on with an export for a while, then queue up behind the others."""
    with database_may_be_away(), termination_deferred():
        if file_writer.work(pk, should_stop=should_stop) and not should_stop():
            exports.enqueue(pk)


@shared_task(name="errors.tasks.regroup", ignore_result=True)
def regroup(pk: int) -> None:
    """Go on merging or splitting groups of very many errors for a while, then queue up behind the others."""
    with database_may_be_away(), termination_deferred():
        if background.run(pk, should_stop) and not should_stop():
            background.send(pk)


@shared_task(name="errors.tasks.look", ignore_result=True)
def look(batch_id: str) -> None:
    """Find what a large batch's failures have in common, and what to do about them: too much for a page to wait for."""
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        return
    with database_may_be_away():
        findings.findings_of(batch)
        recommendations.current(batch, findings.errors_of(batch))
