"""Merges and splits as people ask for them: in the request, or by a worker where too many errors move for that.

What waits for a worker is a row; the sweep repeats the word to the workers until the job is done or refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from batches.exceptions import BatchError
from batches.paged_deletes import delete_in_steps
from batches.waking import enqueue_by_name
from errors.grouping.history import record_change
from errors.groups import gathering, regrouping
from errors.groups.changes import InvalidGroupTransition
from errors.models import BatchGroup, ErrorGroup, RegroupJob

IN_REQUEST_LIMIT = 50_000
"""Errors of the groups together; a million move in half a minute on PostgreSQL."""
KEPT_FOR = timedelta(days=30)
"""After its end; what was done and by whom stays in the history of its group."""
VERBS: dict[str, Callable[..., Any]] = {
    "merge": regrouping.merge,
    "split": regrouping.split,
    "split_by_place": regrouping.split_by_place,
    "gather": gathering.gather,
}
REFUSALS: dict[str, Callable[..., None]] = {
    "merge": regrouping.refuse_merge,
    "split": regrouping.refuse_other_parts,
    "split_by_place": regrouping.refuse_split,
}


def regroup(verb: str, group_id: int, *other: int, actor: str = "", reason: str = "") -> Any:
    """What the verb answers; or the RegroupJob that a worker will do, with nothing moved yet.

    Raises what the verb would, and InvalidGroupTransition for a group that waits for a worker already.
    """
    if errors_of(group_id, *other) <= IN_REQUEST_LIMIT:
        return VERBS[verb](group_id, *other, actor=actor, reason=reason)
    REFUSALS[verb](*(ErrorGroup.objects.get(pk=pk) for pk in (group_id, *other)))
    try:
        with transaction.atomic():
            job = RegroupJob.objects.create(
                verb=verb,
                group_id=group_id,
                other_id=other[0] if other else None,
                errors=errors_of(group_id),
                actor=actor[:150],
                reason=reason,
            )
            transaction.on_commit(partial(send, job.pk))
    except IntegrityError:
        raise InvalidGroupTransition(group_id, verb.replace("_", " "), "being moved by a worker") from None
    return job


def gather_soon(family_id: int) -> None:
    """Once this is committed, let a family take in the groups of its messages: here, or by a worker if they are large.

    The row makes the sweep do it where this process dies before.
    """
    job = RegroupJob(verb="gather", group_id=family_id, errors=0)
    RegroupJob.objects.bulk_create([job], ignore_conflicts=True)
    transaction.on_commit(partial(gather_now, family_id), robust=True)


def gather_now(family_id: int) -> None:
    members = gathering.members_of(ErrorGroup.objects.get(pk=family_id))
    small = errors_of(*(member.pk for member in members)) <= IN_REQUEST_LIMIT
    for job in waiting_jobs().filter(verb="gather", group=family_id):
        (run if small else send)(job.pk)


def send(pk: int) -> None:
    """Word to the workers; the sweep repeats it."""
    enqueue_by_name("errors.tasks.regroup", pk)


def errors_of(*group_ids: int) -> int:
    return int(BatchGroup.objects.filter(group__in=group_ids).aggregate(n=Sum("errors", default=0))["n"])


def jobs_of(group_id: int) -> QuerySet[RegroupJob]:
    """Jobs that will move errors out of the group or into it."""
    return waiting_jobs().filter(Q(group=group_id) | Q(other=group_id))


def waiting_jobs() -> QuerySet[RegroupJob]:
    return RegroupJob.objects.filter(state=RegroupJob.State.WAITING).order_by("pk")


def run(pk: int) -> None:
    """Do a job, once however many workers were told: the records move in the commit that says so."""
    try:
        with transaction.atomic():
            job = waiting_jobs().select_for_update(skip_locked=True).filter(pk=pk).first()
            if job is None:
                return
            others = [] if job.other_id is None else [job.other_id]
            VERBS[job.verb](job.group_id, *others, actor=job.actor, reason=job.reason)
            RegroupJob.objects.filter(pk=pk).update(state=RegroupJob.State.DONE, finished_at=timezone.now())
    except BatchError as error:
        refuse(pk, str(error))


def refuse(pk: int, why: str) -> None:
    """The job was legal when somebody asked for it, and is not any more: the group's history says so."""
    over = {"state": RegroupJob.State.REFUSED, "finished_at": timezone.now()}
    with transaction.atomic():
        if waiting_jobs().filter(pk=pk).update(**over):
            job = RegroupJob.objects.select_related("group").get(pk=pk)
            reason = f"The {job.verb.replace('_', ' ')} that was asked for was not done. {why}"
            state = job.group.state
            record_change(job.group_id, "note", state, state, actor=job.actor, reason=reason)


def forget_old() -> int:
    """Remove jobs that were over long ago; how many."""
    over = RegroupJob.objects.exclude(state=RegroupJob.State.WAITING)
    return delete_in_steps(over.filter(finished_at__lt=timezone.now() - KEPT_FOR))
