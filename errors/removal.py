"""What goes of triage with a batch that is deleted or archived: records with their items, a few at a time.

A group's counts are sums over the batches it has been seen in, and are right at every moment: those of the batch shrink
in the commit that removes its records. The group itself stays with what people decided about it, also where no batch is
left of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, Model, QuerySet, Sum
from django.db.models.functions import Greatest
from django.utils import timezone

from batches.models import Batch
from batches.paged_deletes import delete
from batches.removal_hooks import RemovalHooks
from batches.wording import number_agrees, quantity
from errors.exports import files
from errors.grouping import locks
from errors.models import (
    AdviceRevision,
    BatchGroup,
    BulkAct,
    ErrorRecord,
    Export,
    FailingCount,
    Findings,
    Recommendation,
    RecoveryPlan,
    Timeline,
)

GROUPS_IN_SUMMARY = 200
OF_NO_USE_WITHOUT_ITEMS: tuple[type[Model], ...] = (
    *(Recommendation, AdviceRevision, RecoveryPlan, Findings, Timeline, FailingCount, BulkAct, Export),
)


def contents(batch: Batch, archive: bool) -> Mapping[str, int]:
    groups = BatchGroup.objects.filter(batch=batch)
    errors_are_gone = batch.status == Batch.Status.ARCHIVED
    exports = Export.objects.filter(batch=batch)
    ready = exports.filter(state=Export.State.READY)
    return {
        "errors": 0 if errors_are_gone else groups.aggregate(n=Sum("errors", default=0))["n"],
        "groups in this batch": 0 if archive else groups.count(),
        "exports": exports.count(),
        "files of exports": ready.count(),
        "bytes of these files": ready.aggregate(n=Sum("written", default=0))["n"],
    }


def remarks(batch: Batch) -> Sequence[str]:
    groups = BatchGroup.objects.filter(batch=batch).order_by().values("group")
    if not (own := groups.count()):
        return ()
    shared = BatchGroup.objects.filter(group__in=groups).exclude(batch=batch).values("group").distinct().count()
    verb, they = (
        number_agrees(shared, "has", "have"),
        number_agrees(shared, "it stays and counts", "they stay and count"),
    )
    remarks = [f"Of {quantity(own, 'error group')}, {shared:,} {verb} errors in other batches: {they} only those."]
    if own > shared:
        remarks.append("The others stay without errors, with their state, their notes and who had them.")
    return remarks


def begun(batch: Batch, why: str) -> None:
    """Exports in hand end; nothing of the batch fails now, so that nothing of it asks for attention."""
    cancelled = {"state": Export.State.CANCELLED, "note": why, "finished_at": timezone.now()}
    Export.objects.filter(batch=batch, state__in=Export.OPEN).update(**cancelled)
    ready = Export.objects.filter(batch=batch, state=Export.State.READY)
    for name in ready.values_list("file", flat=True):
        transaction.on_commit(partial(files.delete, name))
    ready.update(state=Export.State.EXPIRED, note=why)
    BatchGroup.objects.filter(batch=batch).update(failing=0, set_aside=0, waiting=0)


def items_removed(batch: Batch, items: Sequence[int], archive: bool) -> int:
    return remove(batch, ErrorRecord.objects.filter(item__in=items), archive)


def rows_removed(batch: Batch, limit: int, archive: bool) -> int:
    """Errors that were reported without an item."""
    pks = list(ErrorRecord.objects.filter(batch=batch).order_by("pk").values_list("pk", flat=True)[:limit])
    return remove(batch, ErrorRecord.objects.filter(pk__in=pks), archive) if pks else 0


def remove(batch: Batch, records: QuerySet[ErrorRecord], archive: bool) -> int:
    """Meanwhile nobody merges or splits groups of the processor; chunks record as ever."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(*locks.recording(batch.processor))
    if not archive:
        discount(batch, records)
    return delete(records)


def discount(batch: Batch, records: QuerySet[ErrorRecord]) -> None:
    counted = records.order_by("group").values_list("group").annotate(Count("pk"), Count("item_key", distinct=True))
    for group, errors, items in list(counted):
        row = BatchGroup.objects.filter(batch=batch, group=group)
        row.update(errors=Greatest(0, F("errors") - errors), items=Greatest(0, F("items") - items))


def summary(batch: Batch) -> Mapping[str, Any]:
    """The groups with the most errors, as they were."""
    rows = BatchGroup.objects.filter(batch=batch).select_related("group").order_by("-errors", "pk")
    return {
        "groups": [
            {
                "fingerprint": row.group.fingerprint,
                "title": row.group.title,
                "code": row.group.code,
                "state": row.group.state,
                "errors": row.errors,
                "items": row.items,
            }
            for row in rows[:GROUPS_IN_SUMMARY]
        ],
        "all_groups": rows.count(),
    }


def archived(batch: Batch) -> int:
    removed = 0
    for model in OF_NO_USE_WITHOUT_ITEMS:
        removed += model._default_manager.filter(batch=batch).delete()[0]
    return removed


HOOKS = RemovalHooks(
    contents=contents,
    remarks=remarks,
    begun=begun,
    items_removed=items_removed,
    rows_removed=rows_removed,
    summary=summary,
    archived=archived,
)
