"""Merging groups and splitting them again: what people say about grouping, kept for what is to come and applied to what
there is. Records move with their counters in one transaction, while no lane records for the processor."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Min, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from batches.exceptions import InvalidInput
from errors.grouping import locks, overrides
from errors.grouping.fingerprints import Identity
from errors.grouping.regressions import items_of
from errors.groups import NOT_WAITING, OPEN, InvalidGroupTransition, refused, remember
from errors.models import Advised, BatchGroup, ErrorGroup, ErrorRecord, Findings, Traceback


def merge(group_id: int, into_id: int, *, actor: str = "", reason: str = "") -> None:
    """What has the first group's fingerprint counts in the second from now on, and so does what was recorded so far."""
    with transaction.atomic():
        group, into = locked(group_id, into_id)
        refuse_merge(group, into)
        batches = set(batches_of([group]))
        came_as_itself = ErrorRecord.objects.filter(group=group, origin__isnull=True)
        came_as_itself.update(group=into, origin=group)
        ErrorRecord.objects.filter(group=group).update(group=into)
        ErrorGroup.objects.filter(merged_into=group).update(merged_into=into)
        ErrorGroup.objects.filter(pk=group.pk).update(merged_into=into, **NOT_WAITING)
        recount([group, into], batches)
        remember(group.pk, "merge", group.state, group.state, actor, reason or f"Into {into.title!r}.")
        remember(into.pk, "merge", into.state, into.state, actor, reason or f"With {group.title!r}.")


def split(group_id: int, out_id: int, *, actor: str = "", reason: str = "") -> None:
    """Take a group out again that was merged into this one; it stays out until somebody merges it again."""
    with transaction.atomic():
        group, out = locked(group_id, out_id)
        refuse_other_parts(group, out)
        mine = ErrorRecord.objects.filter(origin=out)
        batches = set(mine.order_by().values_list("batch", flat=True).distinct())
        mine.update(group=out, origin=None)
        ErrorGroup.objects.filter(pk=out.pk).update(merged_into=None)
        recount([group, out], batches)
        remember(group.pk, "split", group.state, group.state, actor, reason or f"{out.title!r} was taken out.")
        remember(out.pk, "split", out.state, out.state, actor, reason or f"Taken out of {group.title!r}.")


def split_by_place(group_id: int, *, actor: str = "", reason: str = "") -> list[int]:
    """A group for every place in the code that it comes from, for what there is and for what is to come; their ids."""
    with transaction.atomic():
        (group,) = locked(group_id)
        refuse_split(group)
        frames = list(frames_of(group).values_list("frame", flat=True).distinct())
        parts = [make_part(group, frame, part) for frame, part in parts_of(group, frames).items()]
        batches = set(batches_of([group]))
        for frame, part in zip(sorted(set(frames)), parts, strict=True):
            ErrorRecord.objects.filter(from_frame(frame), group=group).update(group=part)
            remember(part.pk, "split", "", part.state, actor, reason or f"From {group.title!r}.")
        ErrorGroup.objects.filter(pk=group.pk).update(by_place=True, **NOT_WAITING)
        recount([group, *parts], batches)
        words = reason or f"By place in the code: {len(parts):,} parts."
        remember(group.pk, "split", group.state, group.state, actor, words)
    return [part.pk for part in parts]


# -- what is refused ---------------------------------------------------------------------------------------------------


def locked(*ids: int) -> list[ErrorGroup]:
    """The groups, as they are once nobody else can change them."""
    known = dict(ErrorGroup.objects.filter(pk__in=ids).values_list("pk", "processor"))
    if set(ids) - set(known):
        raise InvalidInput("There is no such error group.", {"group": ["Unknown group."]})
    for processor in sorted(set(known.values())):
        locks.regrouping(processor)
    rows = {row.pk: row for row in ErrorGroup.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")}
    return [rows[pk] for pk in ids]


def refuse_merge(group: ErrorGroup, into: ErrorGroup) -> None:
    if group.processor != into.processor:
        raise refused("into", "The groups are of different processors.", "Merge groups of one processor.")
    if group.pk == into.pk or into.merged_into_id == group.pk:
        raise refused("into", "It is the same group.", "Name another one.")
    for one in (group, into):
        refuse_moved(one, "merge")


def refuse_other_parts(group: ErrorGroup, out: ErrorGroup) -> None:
    if out.merged_into_id != group.pk:
        remedy = "Name a fingerprint that was merged into it."
        raise refused("fingerprint", f"{out.fingerprint} is no part of this error group.", remedy)


def refuse_split(group: ErrorGroup) -> None:
    refuse_moved(group, "split")
    if group.state not in OPEN:
        raise InvalidGroupTransition(group.pk, "split", group.state)
    if ErrorGroup.objects.filter(merged_into=group).exists():
        raise refused("fingerprint", "Other groups were merged into this one.", "Take them out first.")


def refuse_moved(group: ErrorGroup, verb: str) -> None:
    """A group whose errors count elsewhere is a signpost, not a group."""
    if not group.stands:
        raise InvalidGroupTransition(group.pk, verb, "merged into another" if group.merged_into_id else "split")


# -- what moves --------------------------------------------------------------------------------------------------------


def frames_of(group: ErrorGroup) -> QuerySet[Any]:
    records = ErrorRecord.objects.filter(group=group).order_by()
    return records.annotate(frame=Coalesce("traceback__frame", Value("")))


def from_frame(frame: str) -> Q:
    """The same without a join, which an UPDATE would need a second look at each record for."""
    nowhere = Q() if frame else Q(traceback__isnull=True)
    return Q(traceback__in=Traceback.objects.filter(frame=frame)) | nowhere


def parts_of(group: ErrorGroup, frames: Collection[str]) -> dict[str, Identity]:
    whole = Identity(group.fingerprint, group.title, group.key)
    return {frame: overrides.part_of(group.processor, whole, frame) for frame in sorted(set(frames))}


def make_part(group: ErrorGroup, frame: str, part: Identity) -> ErrorGroup:
    """The part inherits what people have decided about the whole."""
    seen = frames_of(group).filter(frame=frame).aggregate(first=Min("finished_at"), last=Max("finished_at"))
    kept = ("error_type", "code", "category", "state", "assignee")
    return ErrorGroup.objects.create(
        processor=group.processor,
        fingerprint=part.fingerprint,
        title=part.title,
        key=part.key,
        first_seen=seen["first"],
        last_seen=seen["last"],
        **{name: getattr(group, name) for name in kept},
    )


def batches_of(groups: Collection[ErrorGroup]) -> QuerySet[Any]:
    return BatchGroup.objects.filter(group__in=groups).order_by().values_list("batch", flat=True).distinct()


def recount(groups: Collection[ErrorGroup], batches: Collection[str]) -> None:
    """The counters of these groups, from their records; what was concluded from the old ones is looked at anew."""
    before = {group.pk: items_of(group.pk) for group in groups}
    for some in slices_of(sorted(batches)):
        rows = BatchGroup.objects.filter(group__in=groups, batch__in=some)
        made = list(counted(groups, some))
        rows.delete()
        BatchGroup.objects.bulk_create(made)
        Findings.objects.filter(batch__in=some).update(errors=0)
        Advised.objects.filter(batch__in=some).update(looked="")
    for group in groups:
        correct(group, items_of(group.pk) - before[group.pk])


def slices_of(batches: list[str], size: int = 500) -> list[list[str]]:
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def counted(groups: Collection[ErrorGroup], batches: Collection[str]) -> list[BatchGroup]:
    records = ErrorRecord.objects.filter(group__in=groups, batch__in=batches).order_by()
    rows = records.values("batch_id", "group_id").annotate(
        errors=Count("pk"),
        items=Count("item_key", distinct=True),
        first_seen=Min("finished_at"),
        last_seen=Max("finished_at"),
    )
    return [BatchGroup(**row) for row in rows]


def correct(group: ErrorGroup, more: int) -> None:
    """When it was seen; and what moved is nothing new: it must not end an "ignore until more than n items"."""
    seen = BatchGroup.objects.filter(group=group).aggregate(first=Min("first_seen"), last=Max("last_seen"))
    changes: dict[str, Any] = {}
    if seen["first"] is not None:
        changes = {"first_seen": seen["first"], "last_seen": seen["last"]}
    if "from" in group.until:
        changes["until"] = group.until | {"from": group.until["from"] + more}
    if changes:
        ErrorGroup.objects.filter(pk=group.pk).update(**changes)
