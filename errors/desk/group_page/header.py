"""The numbers at the head of a group's page, each of how many and with the rows behind it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F

from batches.wording import number_agrees
from errors.desk.addresses import group_url, records_url
from errors.detectors.findings import percent
from errors.grouping import failing_now
from errors.models import BatchGroup, ErrorRecord

COUNTED_UP_TO = 10_000
"""With more errors than this, how many items still fail is not counted anew while a page waits."""


@dataclass(frozen=True, slots=True)
class HeadNumber:
    """One number, of how many, and the rows behind it."""

    number: int
    noun: str
    of: str
    url: str


def head_numbers(rollup: BatchGroup, batch_errors: int) -> list[HeadNumber]:
    """Items, errors and what still fails; `batch_errors` is how many errors the batch has."""
    batch, group = rollup.batch, rollup.group
    items_url = group_url(batch.pk, group.fingerprint, tab="items")
    errors_url = records_url(batch.pk, group=group.fingerprint)
    items, errors, batch_items = rollup.items, rollup.errors, max(batch.total_items, rollup.items)
    numbers = [
        HeadNumber(items, number_agrees(items, "item", "items"), share_of_batch(items, batch_items), items_url),
        HeadNumber(errors, number_agrees(errors, "error", "errors"), share_of_batch(errors, batch_errors), errors_url),
    ]
    if (failing := still_failing(rollup)) is not None:
        noun, of = number_agrees(failing, "still fails", "still fail"), f"{share(failing, items)} of its items"
        numbers.append(HeadNumber(failing, noun, of, group_url(batch.pk, group.fingerprint, tab="items", now="failed")))
    return numbers


def share_of_batch(count: int, whole: int) -> str:
    return f"{share(count, whole)} of the batch's {whole:,}"


def share(count: int, whole: int) -> str:
    return percent(count / whole) if whole else "0%"


def still_failing(rollup: BatchGroup) -> int | None:
    """Items whose last attempt failed so, as they are kept; None where that is unknown or would take long."""
    if failing_now.is_up_to_date(rollup.batch):
        return rollup.failing + rollup.set_aside
    if not rollup.batch.processor or rollup.errors > COUNTED_UP_TO:
        return None
    last = ErrorRecord.objects.filter(batch=rollup.batch_id, group=rollup.group_id, attempt=F("item__attempts"))
    return last.filter(item__failed_at__isnull=False).count()
