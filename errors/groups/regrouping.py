"""Merging groups and splitting them again, for the errors that are recorded and for those to come. Records move with
their counters in one transaction, while no lane records for the processor."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from batches.exceptions import InvalidInput
from errors.grouping import locks, overrides
from errors.grouping.fingerprints import Identity
from errors.grouping.history import record_change
from errors.grouping.regressions import items_of
from errors.groups.changes import (
    LEGAL_STATES,
    NO_AWAITED_RETRY,
    InvalidGroupTransition,
    invalid_input,
    refuse_overridden,
)
from errors.models import AdviceRevision, BatchGroup, ErrorGroup, ErrorRecord, Findings, Traceback

BATCHES_PER_STATEMENT = 500


def merge(group_id: int, into_id: int, *, actor: str = "", reason: str = "") -> None:
    """Let failures of the first group's fingerprint count in the second: those recorded so far, and those to come."""
    with transaction.atomic():
        group, into = lock_groups(group_id, into_id)
        refuse_merge(group, into)
        batches = set(batches_of([group]))
        own = ErrorRecord.objects.filter(group=group, origin__isnull=True)
        own.update(group=into, origin=group)
        ErrorRecord.objects.filter(group=group).update(group=into)
        ErrorGroup.objects.filter(merged_into=group).update(merged_into=into)
        ErrorGroup.objects.filter(pk=group.pk).update(merged_into=into, **NO_AWAITED_RETRY)
        recount([group, into], batches)
        note_regrouping(group, "merge", actor, reason or f"Into {into.title!r}.")
        note_regrouping(into, "merge", actor, reason or f"With {group.title!r}.")


def split(group_id: int, out_id: int, *, actor: str = "", reason: str = "") -> None:
    """Take a group out again that was merged into this one; it stays out until somebody merges it again."""
    with transaction.atomic():
        group, out = lock_groups(group_id, out_id)
        refuse_other_parts(group, out)
        records = ErrorRecord.objects.filter(origin=out)
        batches = set(records.order_by().values_list("batch", flat=True).distinct())
        records.update(group=out, origin=None)
        ErrorGroup.objects.filter(pk=out.pk).update(merged_into=None)
        recount([group, out], batches)
        note_regrouping(group, "split", actor, reason or f"{out.title!r} was taken out.")
        note_regrouping(out, "split", actor, reason or f"Taken out of {group.title!r}.")


def split_by_place(group_id: int, *, actor: str = "", reason: str = "") -> list[int]:
    """Make a group for every place in the code that the failures come from; answers the ids of the parts."""
    with transaction.atomic():
        (group,) = lock_groups(group_id)
        refuse_split(group)
        frames = list(frames_of(group).values_list("frame", flat=True).distinct())
        parts = [make_part(group, frame, part) for frame, part in parts_of(group, frames).items()]
        batches = set(batches_of([group]))
        for frame, part in zip(sorted(set(frames)), parts, strict=True):
            ErrorRecord.objects.filter(from_frame(frame), group=group).update(group=part)
            why = reason or f"From {group.title!r}."
            record_change(part.pk, "split", "", part.state, actor=actor, reason=why)
        ErrorGroup.objects.filter(pk=group.pk).update(by_place=True, **NO_AWAITED_RETRY)
        recount([group, *parts], batches)
        note_regrouping(group, "split", actor, reason or f"By place in the code: {len(parts):,} parts.")
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


# -- what moves --------------------------------------------------------------------------------------------------------


def frames_of(group: ErrorGroup) -> QuerySet[Any]:
    records = ErrorRecord.objects.filter(group=group).order_by()
    return records.annotate(frame=Coalesce("traceback__frame", Value("")))


def from_frame(frame: str) -> Q:
    """Records of one of the `frames_of`, without a join, for which an UPDATE would look at each record twice."""
    without_traceback = Q() if frame else Q(traceback__isnull=True)
    return Q(traceback__in=Traceback.objects.filter(frame=frame)) | without_traceback


def parts_of(group: ErrorGroup, frames: Collection[str]) -> dict[str, Identity]:
    whole = Identity(group.fingerprint, group.title, group.key)
    return {frame: overrides.part_of(group.processor, whole, frame) for frame in sorted(set(frames))}


def make_part(group: ErrorGroup, frame: str, part: Identity) -> ErrorGroup:
    """A group that inherits what people have decided about the whole."""
    seen = frames_of(group).filter(frame=frame).aggregate(first=Min("finished_at"), last=Max("finished_at"))
    inherited = ("error_type", "code", "category", "state", "assignee")
    return ErrorGroup.objects.create(
        processor=group.processor,
        fingerprint=part.fingerprint,
        title=part.title,
        key=part.key,
        first_seen=seen["first"],
        last_seen=seen["last"],
        **{name: getattr(group, name) for name in inherited},
    )


def batches_of(groups: Collection[ErrorGroup]) -> QuerySet[Any]:
    return BatchGroup.objects.filter(group__in=groups).order_by().values_list("batch", flat=True).distinct()


def recount(groups: Collection[ErrorGroup], batches: Collection[str]) -> None:
    """Count these groups anew from their records; findings and advice that rest on the old counters are out of date."""
    before = {group.pk: items_of(group.pk) for group in groups}
    for some in slices_of(sorted(batches)):
        counters = counters_of(groups, some)
        BatchGroup.objects.filter(group__in=groups, batch__in=some).delete()
        BatchGroup.objects.bulk_create(counters)
        Findings.objects.filter(batch__in=some).update(errors=0)
        AdviceRevision.objects.filter(batch__in=some).update(revision="")
    for group in groups:
        adjust(group, items_of(group.pk) - before[group.pk])


def slices_of(batches: list[str], size: int = BATCHES_PER_STATEMENT) -> list[list[str]]:
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def counters_of(groups: Collection[ErrorGroup], batches: Collection[str]) -> list[BatchGroup]:
    records = ErrorRecord.objects.filter(group__in=groups, batch__in=batches).order_by()
    rows = records.values("batch_id", "group_id").annotate(
        errors=Count("pk"),
        items=Count("item_key", distinct=True),
        first_seen=Min("finished_at"),
        last_seen=Max("finished_at"),
    )
    return [BatchGroup(**row) for row in rows]


def adjust(group: ErrorGroup, more_items: int) -> None:
    """When the group was seen; and items that moved are nothing new: they must not end an "ignore until n items"."""
    seen = BatchGroup.objects.filter(group=group).aggregate(first=Min("first_seen"), last=Max("last_seen"))
    changes: dict[str, Any] = {}
    if seen["first"] is not None:
        changes = {"first_seen": seen["first"], "last_seen": seen["last"]}
    if "from" in group.until:
        changes["until"] = group.until | {"from": group.until["from"] + more_items}
    if changes:
        ErrorGroup.objects.filter(pk=group.pk).update(**changes)
