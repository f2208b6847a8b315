"""Merges and splits as people ask for them: in the request, or by a worker where too many errors move for that.

What waits for a worker is a row; the sweep repeats the word to the workers until the job is done or refused. A worker
begins it in one commit, and moves the records in many, so that no lane waits long to record a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from batches.exceptions import BatchError
from batches.paged_deletes import delete_in_steps
from batches.waking import enqueue_by_name
from errors.grouping.history import record_change
from errors.groups import gathering, record_moves, regrouping
from errors.groups.changes import InvalidGroupTransition
from errors.models import BatchGroup, ErrorGroup, RegroupJob

IN_REQUEST_LIMIT = {"postgresql": 5_000, "sqlite": 1_000}
"""Errors of the group: as many move in one transaction, in which nothing is recorded for the processor, and on SQLite
nobody writes anything."""
SLICE_SECONDS = 30.0
KEPT_FOR = timedelta(days=30)
"""After its end; what was done and by whom stays in the history of its group."""


class Verb(NamedTuple):
    """What a person may ask for, all at once; its beginning; how the records follow, given the ids of the job's groups
    and whether to go on; and what is refused."""

    at_once: Callable[..., Any]
    begin: Callable[..., Any]
    follow: Callable[..., None]
    refuse: Callable[..., None]


def follow_into_last(*args: Any) -> None:
    """Of the groups of a job, the last one is that into which others were merged."""
    *_, into_id, goes_on = args
    record_moves.settle_merged(into_id, goes_on)


def follow_out(group_id: int, out_id: int, goes_on: Callable[[], bool]) -> None:
    record_moves.settle(group_id, out_id, goes_on)


def follow_to_parts(group_id: int, goes_on: Callable[[], bool]) -> None:
    record_moves.settle(group_id, goes_on=goes_on)


def refuse_nothing(*groups: ErrorGroup) -> None:
    """What nobody has asked for is done as far as it is legal."""


VERBS = {
    "merge": Verb(regrouping.merge, regrouping.begin_merge, follow_into_last, regrouping.refuse_merge),
    "split": Verb(regrouping.split, regrouping.begin_split, follow_out, regrouping.refuse_other_parts),
    "split_by_place": Verb(
        regrouping.split_by_place, regrouping.begin_split_by_place, follow_to_parts, regrouping.refuse_split
    ),
    "gather": Verb(gathering.begin_gather, gathering.begin_gather, follow_into_last, refuse_nothing),
}


def regroup(verb: str, group_id: int, *other: int, actor: str = "", reason: str = "") -> Any:
    """What the verb answers; or the RegroupJob that a worker will do, with nothing begun yet.

    Raises what the verb would, and InvalidGroupTransition for a group that waits for a worker already.
    """
    if errors_of(group_id) <= IN_REQUEST_LIMIT[connection.vendor]:
        return VERBS[verb].at_once(group_id, *other, actor=actor, reason=reason)
    VERBS[verb].refuse(*(ErrorGroup.objects.get(pk=pk) for pk in (group_id, *other)))
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
    small = errors_of(*(member.pk for member in members)) <= IN_REQUEST_LIMIT[connection.vendor]
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


def run(pk: int, should_stop: Callable[[], bool] = lambda: False) -> bool:
    """Do a job, or go on with one that was begun; True if there is more to do after half a minute.

    It is begun once however many workers were told, and one of them at a time moves its records.
    """
    deadline = monotonic() + SLICE_SECONDS

    def goes_on() -> bool:
        """Whether this worker does the next page: then it holds the job's row until that is committed."""
        return monotonic() < deadline and not should_stop() and locked(pk) is not None

    try:
        job = begun(pk)
    except BatchError as error:
        refuse(pk, str(error))
        return False
    if job is None:
        return False
    try:
        VERBS[job.verb].follow(*ids_of(job), goes_on)
    except record_moves.Interrupted:
        return monotonic() >= deadline
    waiting_jobs().filter(pk=pk).update(state=RegroupJob.State.DONE, finished_at=timezone.now())
    return False


def locked(pk: int) -> RegroupJob | None:
    """The job, with its row locked; None if it is over, or another worker has it."""
    return waiting_jobs().select_for_update(skip_locked=True).filter(pk=pk).first()


@transaction.atomic
def begun(pk: int) -> RegroupJob | None:
    """The job once it is begun, by this worker or by an earlier one; None as `locked`."""
    job = locked(pk)
    if job is not None and job.begun_at is None:
        VERBS[job.verb].begin(*ids_of(job), actor=job.actor, reason=job.reason)
        job.begun_at = timezone.now()
        job.save(update_fields=["begun_at"])
    return job


def ids_of(job: RegroupJob) -> list[int]:
    return [pk for pk in (job.group_id, job.other_id) if pk is not None]


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
