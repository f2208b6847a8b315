"""Merge and split as people ask for them: done at once, or by a worker if so many errors move that a page would hang.

What waits for a worker is a row; the sweep repeats the word to the workers until it is done or refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from batches.exceptions import BatchError
from batches.tasks import enqueue_by_name
from errors import groups
from errors.groups import regrouping
from errors.models import BatchGroup, ErrorGroup, GroupMove

LARGE = 50_000
"""Above so many errors of the groups together: a million move in half a minute on PostgreSQL."""
S = GroupMove.State
VERBS: dict[str, Callable[..., Any]] = {
    "merge": regrouping.merge,
    "split": regrouping.split,
    "split_by_place": regrouping.split_by_place,
}
REFUSALS: dict[str, Callable[..., None]] = {
    "merge": regrouping.refuse_merge,
    "split": regrouping.refuse_other_parts,
    "split_by_place": regrouping.refuse_split,
}


def move(verb: str, group_id: int, *other: int, actor: str = "", reason: str = "") -> Any:
    """What the verb answers; or the `GroupMove` that a worker will do, with nothing moved yet."""
    if errors_of(group_id, *other) <= LARGE:
        return VERBS[verb](group_id, *other, actor=actor, reason=reason)
    REFUSALS[verb](*(ErrorGroup.objects.get(pk=pk) for pk in (group_id, *other)))
    known = {"group_id": group_id, "other_id": other[0] if other else None, "errors": errors_of(group_id)}
    try:
        with transaction.atomic():
            made = GroupMove.objects.create(verb=verb, actor=actor[:150], reason=reason, **known)
            transaction.on_commit(partial(send, made.pk))
    except IntegrityError:
        raise groups.InvalidGroupTransition(group_id, verb.replace("_", " "), "being moved by a worker") from None
    return made


def send(pk: int) -> None:
    """Word to the workers; the sweep repeats it."""
    enqueue_by_name("errors.tasks.move_group", pk)


def errors_of(*ids: int) -> int:
    return int(BatchGroup.objects.filter(group__in=ids).aggregate(n=Sum("errors", default=0))["n"])


def under_way(group_id: int) -> QuerySet[GroupMove]:
    """Moves out of the group or into it that are not over."""
    return GroupMove.objects.filter(Q(group=group_id) | Q(other=group_id), state=S.WAITING)


def waiting() -> QuerySet[GroupMove]:
    return GroupMove.objects.filter(state=S.WAITING).order_by("pk")


def work(pk: int) -> None:
    """Do it, once however many workers were told: the records move in the commit that says so."""
    try:
        with transaction.atomic():
            found = GroupMove.objects.select_for_update(skip_locked=True).filter(pk=pk, state=S.WAITING).first()
            if found is None:
                return
            others = [] if found.other_id is None else [found.other_id]
            VERBS[found.verb](found.group_id, *others, actor=found.actor, reason=found.reason)
            GroupMove.objects.filter(pk=pk).update(state=S.DONE, finished_at=timezone.now())
    except BatchError as why:
        refused(pk, str(why))


def refused(pk: int, why: str) -> None:
    """It was legal when it was asked for, and is not any more: the history says so."""
    with transaction.atomic():
        if GroupMove.objects.filter(pk=pk, state=S.WAITING).update(state=S.REFUSED, finished_at=timezone.now()):
            found = GroupMove.objects.select_related("group").get(pk=pk)
            state = found.group.state
            words = f"The {found.verb.replace('_', ' ')} that was asked for was not done. {why}"
            groups.remember(found.group_id, "note", state, state, found.actor, words)
