"""What the rules of advice read of a batch's error groups, in a number of queries that does not grow with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from django.db.models import Count, F, Max, Q, QuerySet

from batches.models import Batch, Item, QuarantinedItem, RetriedItem
from errors.advice.facts import GroupFacts
from errors.grouping.templates import fields_named
from errors.models import BatchGroup, ErrorRecord, GroupChange

NOTE_LENGTH = 300
GROUPS_SAMPLED = 5
"""Groups of invalid input of which one record is read, the largest first."""


def group_facts(batch: Batch, rows: Sequence[BatchGroup], errors_before: Mapping[int, list[int]]) -> list[GroupFacts]:
    """`errors_before`: group -> its errors in each of the last batches that saw it."""
    failed = failed_by_group(batch) if batch.processor else {row.group_id: row.items for row in rows}
    retried, notes, waits = retried_by_group(batch), last_notes(rows), asked_waits(batch, rows)
    named = named_fields(batch, rows)
    return [
        GroupFacts(
            fingerprint=row.group.fingerprint,
            title=row.group.title,
            category=row.group.category,
            items=failed.get(row.group_id, 0),
            errors=row.errors,
            retried=retried.get(row.group_id, (0, 0))[0],
            recovered=retried.get(row.group_id, (0, 0))[1],
            batches_seen_in=len(errors_before.get(row.group_id, [])),
            usual_errors=round(median(errors_before.get(row.group_id, [0]))),
            first_seen=f"{row.group.first_seen:%Y-%m-%d}",
            owner=row.group.assignee.get_username() if row.group.assignee else "",
            last_note=notes.get(row.group_id, ""),
            fields=fields_in(row.group.title, named.get(row.group_id, [])),
            asked_wait=waits.get(row.group_id, 0.0),
        )
        for row in rows
    ]


def records_of_failed_items(batch: Batch) -> QuerySet[ErrorRecord]:
    """Records of the items that are failed now, and not quarantined."""
    quarantined = QuarantinedItem.objects.filter(quarantine__batch=batch, back_at__isnull=True)
    failed = ErrorRecord.objects.filter(batch=batch, item__failed_at__isnull=False)
    return failed.exclude(item__in=quarantined.values("item"))


def failed_by_group(batch: Batch) -> dict[int, int]:
    """group -> items that failed finally, by their last error, and are not quarantined."""
    last = records_of_failed_items(batch).filter(attempt=F("item__attempts"))
    return dict(last.order_by().values_list("group").annotate(n=Count("pk")))


def retried_by_group(batch: Batch) -> dict[int, tuple[int, int]]:
    """group -> items of this batch's bulk retries that had failed so, and how many of them recovered."""
    over = RetriedItem.objects.filter(retry__batch=batch).exclude(
        item__status__in=[Item.Status.PENDING, Item.Status.RUNNING]
    )
    recovered = Count("item", distinct=True, filter=Q(item__status__in=Item.SUCCESSFUL_STATUSES))
    rows = over.order_by().values_list("item__error_records__group")
    counted = rows.annotate(retried=Count("item", distinct=True), recovered=recovered)
    return {group: (retried, recovered) for group, retried, recovered in counted if group}


def last_notes(rows: Sequence[BatchGroup]) -> dict[int, str]:
    """group -> what a person noted last."""
    notes = GroupChange.objects.filter(group__in=[row.group_id for row in rows], verb="note").order_by("pk")
    return {group: text[:NOTE_LENGTH] for group, text in notes.values_list("group", "reason")}


def asked_waits(batch: Batch, rows: Sequence[BatchGroup]) -> dict[int, float]:
    """group of rate limits -> the longest wait the other side asked for, in seconds."""
    groups = [row.group_id for row in rows if row.group.category == "rate_limit"]
    if not groups:
        return {}
    records = ErrorRecord.objects.filter(batch=batch, group__in=groups, asked_wait__isnull=False).order_by()
    return {group: wait for group, wait in records.values_list("group").annotate(wait=Max("asked_wait")) if wait}


def named_fields(batch: Batch, rows: Sequence[BatchGroup]) -> dict[int, list[str]]:
    """group of invalid input -> fields that the processor named as culprits, of one record."""
    groups = [row.group_id for row in rows if row.group.category == "validation"][:GROUPS_SAMPLED]
    records = (ErrorRecord.objects.filter(batch=batch, group=group).order_by("pk").first() for group in groups)
    return {record.group_id: list(record.fields) for record in records if record is not None}


def fields_in(title: str, named: Sequence[str]) -> list[str]:
    """Fields that the processor named, then those that the message's template names."""
    return list(dict.fromkeys([*named, *fields_named(title)]))
