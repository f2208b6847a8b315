"""What the rules of advice read of a batch's error groups, in a number of queries that does not grow with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from django.db.models import Count, F, Max, Q, QuerySet

from batches.models import Batch, QuarantinedItem
from errors.advice.facts import GroupFacts
from errors.grouping.templates import fields_named
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, GroupChange
from errors.recovery.evidence_queries import evidence_of

NOTE_LENGTH = 300
GROUPS_SAMPLED = 5
"""Groups of invalid input of which one record is read, the largest first."""


def group_facts(batch: Batch, rows: Sequence[BatchGroup], errors_before: Mapping[int, list[int]]) -> list[GroupFacts]:
    """`errors_before`: group -> its errors in each of the last batches that saw it."""
    failed = failed_by_group(batch) if batch.processor else {row.group_id: (row.items, 0) for row in rows}
    notes, waits = last_notes(rows), asked_waits(batch, rows)
    evidence = evidence_of(batch, {row.group.fingerprint: row.group.category for row in rows})
    named = named_fields(batch, rows)
    return [
        GroupFacts(
            fingerprint=row.group.fingerprint,
            title=row.group.title,
            category=row.group.category,
            items=failed.get(row.group_id, (0, 0))[0],
            errors=row.errors,
            permanent=failed.get(row.group_id, (0, 0))[1],
            error_type=row.group.error_type,
            evidence=evidence[row.group.fingerprint],
            batches_seen_in=len(errors_before.get(row.group_id, [])),
            usual_errors=round(median(errors_before.get(row.group_id, [0]))),
            first_seen=f"{row.group.first_seen:%Y-%m-%d}",
            is_ignored=row.group.state == ErrorGroup.State.IGNORED,
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


def failed_by_group(batch: Batch) -> dict[int, tuple[int, int]]:
    """group -> failed items by their last error, none of them quarantined; how many of them stay so unchanged."""
    last = records_of_failed_items(batch).filter(attempt=F("item__attempts")).order_by().values_list("group")
    rows = last.annotate(n=Count("pk"), permanent=Count("pk", filter=Q(retryable=False)))
    return {group: (n, permanent) for group, n, permanent in rows}


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
