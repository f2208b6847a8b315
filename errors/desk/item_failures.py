"""The failed attempts of one item, as its page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batches import durations
from batches.extensions import ItemEvent
from batches.models import Item
from batches.pages.item_text import attempt_text
from errors.desk.addresses import group_url
from errors.desk.group_page.failure import ShownFailure, failure_of
from errors.desk.group_page.past_payload import PastPayloads, past_payloads
from errors.models import ErrorRecord


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """The failure in full, and the group in which it counts."""

    failure: ShownFailure
    group_url: str


def item_failures(item: Item, limit: int) -> Sequence[ItemEvent]:
    """The latest ones first."""
    records = ErrorRecord.objects.filter(item=item).select_related("group", "traceback").order_by("-attempt")[:limit]
    past = past_payloads(item)
    return [failure_event(item, record, past) for record in records]


def failure_event(item: Item, record: ErrorRecord, past: PastPayloads) -> ItemEvent:
    record.item = item
    spent = (record.finished_at - record.started_at).total_seconds()
    text = f"Failed at {attempt_text(record.attempt)}, after {durations.precise(spent)}"
    return ItemEvent(
        record.finished_at,
        "failed",
        text if record.final else f"{text}; it was to be tried again",
        worker=record.worker,
        template="admin/errors/item_failure.html",
        details=FailedAttempt(
            failure_of(item.batch, record, past), group_url(item.batch_id, record.group.fingerprint, sample=record.pk)
        ),
    )
