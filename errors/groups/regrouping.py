"""Merging groups and splitting them again, for the errors that are recorded and for those to come.

Each verb has a beginning, which is a few rows: from then on failures count where they shall. What is recorded follows
(`errors.groups.record_moves`): with the beginning, where somebody waits for it, or page by page by a worker.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max, Min, QuerySet, Value
from django.db.models.functions import Coalesce

from batches.exceptions import InvalidInput
from batches.wording import quantity
from errors.grouping import locks
from errors.grouping.history import record_change
from errors.groups import record_moves
from errors.groups.changes import (
    LEGAL_STATES,
    NO_AWAITED_RETRY,
    InvalidGroupTransition,
    invalid_input,
    refuse_overridden,
)
from errors.models import ErrorGroup, ErrorRecord


def merge(group_id: int, into_id: int, *, actor: str = "", reason: str = "") -> None:
    """Let failures of the first group's fingerprint count in the second: those recorded so far, and those to come."""
    with transaction.atomic():
        begin_merge(group_id, into_id, actor=actor, reason=reason)
        record_moves.settle(group_id)


def begin_merge(group_id: int, into_id: int, *, actor: str = "", reason: str = "") -> None:
    """As merge, for failures to come."""
    with transaction.atomic():
        group, into = lock_groups(group_id, into_id)
        refuse_merge(group, into)
        ErrorGroup.objects.filter(merged_into=group).update(merged_into=into)
        ErrorGroup.objects.filter(pk=group.pk).update(merged_into=into, **NO_AWAITED_RETRY)
        note_regrouping(group, "merge", actor, reason or f"Into {into.title!r}.")
        note_regrouping(into, "merge", actor, reason or f"With {group.title!r}.")


def split(group_id: int, out_id: int, *, actor: str = "", reason: str = "") -> None:
    """Take a group out again that was merged into this one; it stays out until somebody merges it again."""
    with transaction.atomic():
        begin_split(group_id, out_id, actor=actor, reason=reason)
        record_moves.settle(group_id, out_id)


def begin_split(group_id: int, out_id: int, *, actor: str = "", reason: str = "") -> None:
    """As split, for failures to come."""
    with transaction.atomic():
        group, out = lock_groups(group_id, out_id)
        refuse_other_parts(group, out)
        ErrorGroup.objects.filter(pk=out.pk).update(merged_into=None)
        note_regrouping(group, "split", actor, reason or f"{out.title!r} was taken out.")
        note_regrouping(out, "split", actor, reason or f"Taken out of {group.title!r}.")


def split_by_place(group_id: int, *, actor: str = "", reason: str = "") -> list[int]:
    """Make a group for every place in the code that the failures come from; answers the ids of the parts."""
    with transaction.atomic():
        parts = begin_split_by_place(group_id, actor=actor, reason=reason)
        record_moves.settle(group_id)
    return parts


def begin_split_by_place(group_id: int, *, actor: str = "", reason: str = "") -> list[int]:
    """As split_by_place, for failures to come. The places are looked for before lanes have to wait; one that comes up
    between gets its part with its first record."""
    places = list(places_of(group_id))
    with transaction.atomic():
        (group,) = lock_groups(group_id)
        refuse_split(group)
        parts = [record_moves.make_part(group, *place, actor=actor, reason=reason) for place in places]
        ErrorGroup.objects.filter(pk=group.pk).update(by_place=True, **NO_AWAITED_RETRY)
        note_regrouping(group, "split", actor, reason or f"By place in the code: {quantity(len(parts), 'part')}.")
    return [part.pk for part in parts]


def note_regrouping(group: ErrorGroup, verb: str, actor: str, reason: str) -> None:
    """A row of history; the state stays as it is."""
    record_change(group.pk, verb, group.state, group.state, actor=actor, reason=reason)


# -- what is refused ---------------------------------------------------------------------------------------------------


def lock_groups(*ids: int) -> list[ErrorGroup]:
    """The groups, as they are once nobody else can change them. An unknown one raises InvalidInput."""
    processors = dict(ErrorGroup.objects.filter(pk__in=ids).values_list("pk", "processor"))
    if set(ids) - set(processors):
        raise InvalidInput("There is no such error group.", {"group": ["Unknown group."]})
    for processor in sorted(set(processors.values())):
        locks.regrouping(processor)
    rows = {row.pk: row for row in ErrorGroup.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")}
    return [rows[pk] for pk in ids]


def refuse_merge(group: ErrorGroup, into: ErrorGroup) -> None:
    if group.processor != into.processor:
        raise invalid_input("into", "The groups are of different processors.", "Merge groups of one processor.")
    if group.pk == into.pk or into.merged_into_id == group.pk:
        raise invalid_input("into", "It is the same group.", "Name another one.")
    refuse_overridden(group, "merge")
    refuse_overridden(into, "merge")


def refuse_other_parts(group: ErrorGroup, out: ErrorGroup) -> None:
    if out.merged_into_id != group.pk:
        remedy = "Name a fingerprint that was merged into it."
        raise invalid_input("fingerprint", f"{out.fingerprint} is no part of this error group.", remedy)


def refuse_split(group: ErrorGroup) -> None:
    refuse_overridden(group, "split")
    if group.state not in LEGAL_STATES["split"]:
        raise InvalidGroupTransition(group.pk, "split", group.state)
    if ErrorGroup.objects.filter(merged_into=group).exists():
        raise invalid_input("fingerprint", "Other groups were merged into this one.", "Take them out first.")


def places_of(group_id: int) -> QuerySet[Any]:
    """The places in the code that the group's records come from, each with the times of its first and last."""
    records = ErrorRecord.objects.filter(group=group_id).annotate(frame=Coalesce("traceback__frame", Value("")))
    frames = records.order_by("frame").values_list("frame")
    return frames.annotate(first=Min("finished_at"), last=Max("finished_at"))
