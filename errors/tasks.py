"""The Celery door: what time alone does to error groups, and what takes too long for a page or a request."""

from __future__ import annotations

from celery import shared_task

from batches.models import Batch
from batches.tasks import deferred, patient, should_stop, tell
from errors import clean_retries, exports, findings, groups, making, recommendations


@shared_task(name="errors.tasks.sweep", ignore_result=True)
def sweep() -> None:
    """Every minute: end what was ignored until a date, decide what waits for a retry that is over, wake exports."""
    with patient():
        groups.unignore_due()
        clean_retries.settle()
        for pk in exports.waiting().values_list("pk", flat=True):
            send_export(pk)
        exports.tidy()


@shared_task(name="errors.tasks.make_export", ignore_result=True)
def make_export(pk: int) -> None:
    """Go on with an export for a while, then queue up behind the others."""
    with patient(), deferred():
        if making.work(pk, should_stop=should_stop) and not should_stop():
            send_export(pk)


def send_export(pk: int) -> None:
    """Word to the workers; the sweep repeats it."""
    tell(make_export, pk)


@shared_task(name="errors.tasks.look", ignore_result=True)
def look(batch_id: str) -> None:
    """Find what a large batch's failures have in common, and what to do about them: too much for a page to wait for."""
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        return
    with patient():
        findings.findings(batch)
        recommendations.current(batch, recommendations.errors_of(batch))
