"""The failed attempts of one item, as its page shows them."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from batches.durations import precise
from batches.models import Item
from batches.pages.item_page import attempt, happened
from errors.desk.group_page.samples import shown
from errors.models import ErrorRecord


def failures(item: Item, most: int) -> list[dict[str, Any]]:
    """The latest ones, each with its message marked, its traceback taken apart, and the group in which it counts."""
    records = ErrorRecord.objects.filter(item=item).select_related("group", "traceback").order_by("-attempt")[:most]
    return [failed(item, record) for record in records]


def failed(item: Item, record: ErrorRecord) -> dict[str, Any]:
    record.item = item
    spent = (record.finished_at - record.started_at).total_seconds()
    what = f"Failed at {attempt(record.attempt)}, after {precise(spent)}"
    group = reverse("admin:errors_group", args=[item.batch_id, record.group.fingerprint])
    return happened(
        record.finished_at,
        "failed",
        what if record.final else f"{what}; it was to be tried again",
        worker=record.worker,
        code=record.code,
        group=record.group,
        group_url=f"{group}?sample={record.pk}",
        **shown(item.batch, record),
    )
