"""What happened to an item: its attempts, the retries that meant it, its corrections, and its quarantine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from batches.extensions import ItemEvent, address_of, registered
from batches.intake import fixes
from batches.intake.corrections import changes_of
from batches.models import Item, QuarantinedItem, RetriedItem
from batches.pages.item_text import attempt_text, duration_text, failure_message

SHOWN = 50
"""Events of one kind."""


def timeline(item: Item) -> list[ItemEvent]:
    """The latest first."""
    return sorted(events(item), key=lambda event: event.at, reverse=True)


def events(item: Item) -> Iterator[ItemEvent]:
    """Of each kind the latest ones, in no order."""
    failures = [event for extension in registered() for event in extension.item_failures(item, SHOWN)]
    yield from failures or last_failure(item)
    yield from ended_well(item)
    yield from retried(item)
    yield from quarantine_and_release(item)
    yield from corrected(item)


def corrected(item: Item) -> Iterator[ItemEvent]:
    """The fixes that changed its payload."""
    for correction in islice(fixes.corrections_of(item), SHOWN):
        fix = correction.fix
        changes = changes_of(correction)
        yield ItemEvent(
            fix.applied_at or fix.created_at,
            "corrected",
            f"corrected its row, by {fix.filename or 'a list'}",
            fix.actor,
            url=address_of(fix),
            changes=[(change["field"], side(change, "old"), side(change, "new")) for change in changes],
        )


def side(change: dict[str, Any], name: str) -> str:
    return json.dumps(change[name], ensure_ascii=False) if name in change else "(not there)"


def last_failure(item: Item) -> Iterator[ItemEvent]:
    """What the item itself says, where no extension keeps its failed attempts."""
    if item.failed_at is not None and item.attempts:
        text = f"Failed at {attempt_text(item.attempts)}{duration_text(item)}"
        yield ItemEvent(item.finished_at or item.failed_at, "failed", text, reason=failure_message(item))


def ended_well(item: Item) -> Iterator[ItemEvent]:
    if item.status in Item.SUCCESSFUL_STATUSES and item.finished_at is not None:
        name = "Succeeded" if item.status == Item.Status.SUCCEEDED else "Skipped"
        yield ItemEvent(item.finished_at, name.lower(), f"{name} at {attempt_text(item.attempts)}{duration_text(item)}")


FATES = {
    "recovered": "it recovered",
    "failed_same": "it failed in the same way",
    "failed_differently": "it failed in another way",
    "failed_again": "it failed again",
    "skipped": "it was left out",
    "waiting": "it waits for its turn",
}


def retried(item: Item) -> Iterator[ItemEvent]:
    """The bulk retries that meant it."""
    rows = RetriedItem.objects.filter(item=item).select_related("retry").order_by("-pk")[:SHOWN]
    for row in rows:
        retry, fate = row.retry, FATES[RetriedItem.names(row.fate, item.status)[-1]]
        reason = f"{retry.reason} ({fate})" if retry.reason else f"{fate[:1].upper()}{fate[1:]}."
        text, url = f"asked for retry {retry.number:,}", address_of(retry)
        yield ItemEvent(retry.created_at, "retried", text, retry.actor, reason=reason, url=url)


def quarantine_and_release(item: Item) -> Iterator[ItemEvent]:
    rows = QuarantinedItem.objects.filter(item=item).select_related("quarantine").order_by("-pk")[:SHOWN]
    for row in rows:
        act, url = row.quarantine, address_of(row.quarantine)
        yield ItemEvent(act.created_at, "quarantined", "set it aside", act.actor, reason=act.reason, url=url)
        if row.back_at is not None:
            yield ItemEvent(row.back_at, "retried", "brought it back", act.back_by, url=url)
