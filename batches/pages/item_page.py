"""One item: how it stands and why, what was tried and done about it, what it holds and what it became."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from batches import durations
from batches.extensions import ItemEvent, Link, address_of, registered
from batches.intake import fixes
from batches.intake.corrections import changes_of
from batches.lanes import unknown_outcomes
from batches.models import AsideItem, Item, RetriedItem
from batches.pages.batch_page import pill, pretty
from batches.redaction import redact, redact_text
from batches.rights import OPERATE

Status = Item.Status
SHOWN = 50
"""Events of one kind on the timeline."""


def item_page(item: Item, request: HttpRequest) -> dict[str, Any]:
    """Everything about it, freed of secrets."""
    may_operate = request.user.has_perm(OPERATE)  # type: ignore[union-attr]
    neighbours = Item.objects.filter(batch=item.batch_id).only("pk", "key", "position")
    aside = AsideItem.objects.filter(item=item, back_at__isnull=True).select_related("aside").first()
    timeline = sorted(events(item), key=lambda event: event.at, reverse=True)
    return {
        "item": item,
        "batch": item.batch,
        "pill": pill(item.status, item.get_status_display().lower()),
        "sentence": sentence(item, aside),
        "message": shown_message(item),
        "links": list(links(item, aside)) if may_operate else [],
        "timeline": timeline,
        "payload": pretty(redact(item.payload)),
        "result": None if item.result is None else pretty(redact(item.result)),
        "facts": facts(item),
        "previous": neighbours.filter(position__lt=item.position).order_by("-position").first(),
        "next": neighbours.filter(position__gt=item.position).order_by("position").first(),
    }


def shown_message(item: Item) -> str:
    """Why it failed, if it did."""
    return redact_text(item.message, item.payload) if item.failed_at else ""


# -- how it stands -----------------------------------------------------------------------------------------------------


def sentence(item: Item, aside: AsideItem | None) -> str:
    """The state in words."""
    if item.status == Status.QUARANTINED:
        return why_quarantined(item, aside)
    if item.status == Status.SUCCEEDED:
        return f"It succeeded at {attempt(item.attempts)}{duration(item)}."
    if item.status == Status.SKIPPED:
        return f"There was nothing to do: {redact_text(item.message, item.payload) or 'no reason was given'}"
    if item.status == Status.FAILED:
        return f"It failed at {attempt(item.attempts)}{duration(item)}; nothing runs it again until somebody asks."
    if item.status == Status.RUNNING:
        return f"A worker has it: {attempt(item.attempts + 1)} is under way."
    if item.available_at and item.available_at > timezone.now():
        return f"It waits until {item.available_at:%H:%M:%S} UTC for {attempt(item.attempts + 1)}."
    return "It waits for its turn." if not item.attempts else f"It waits for {attempt(item.attempts + 1)}."


def attempt(n: int) -> str:
    return "its first attempt" if n == 1 else f"attempt {n:,}"


def duration(item: Item) -> str:
    if item.started_at is None or item.finished_at is None:
        return ""
    return f", after {durations.precise((item.finished_at - item.started_at).total_seconds())}"


def why_quarantined(item: Item, aside: AsideItem | None) -> str:
    if aside is not None:
        why = f": {aside.aside.reason}" if aside.aside.reason else "."
        return f"{aside.aside.actor or 'Somebody'} set it aside{why}"
    if item.code == unknown_outcomes.CODE:
        return "Nobody knows whether its call arrived: look at the receiver, then decide."
    if item.crashes:
        return f"It is set aside: its worker died {item.crashes:,} times while it was in flight."
    return "It is set aside: nothing runs it until somebody asks."


def facts(item: Item) -> list[tuple[str, Any]]:
    """What else is known, as far as it says anything."""
    known: list[tuple[str, Any]] = [
        ("position", f"{item.position:,}"),
        ("attempts", f"{item.attempts:,}"),
        ("of these not counted", f"{item.forgiven:,}" if item.forgiven else ""),
        ("workers that died", f"{item.crashes:,}" if item.crashes else ""),
        ("lane", "" if item.lane is None else str(item.lane)),
        ("error code", item.code),
    ]
    return [(name, value) for name, value in known if value != ""]


def links(item: Item, aside: AsideItem | None) -> Iterator[Link]:
    """Only what is legal now: the engine's own acts, then those of extensions."""
    if not item.batch.processor:
        return
    if item.code == unknown_outcomes.CODE and item.status in Item.FAILED_STATUSES:
        yield Link("Decide…", reverse("admin:batches_batch_decide", args=[item.batch_id, item.pk]), primary=True)
    for extension in registered():
        yield from extension.item_links(item, aside)


# -- what happened -----------------------------------------------------------------------------------------------------


def events(item: Item) -> Iterator[ItemEvent]:
    """Of each kind the latest ones, in no order."""
    failures = [event for extension in registered() for event in extension.item_failures(item, SHOWN)]
    yield from failures or last_failure(item)
    yield from ended_well(item)
    yield from retried(item)
    yield from set_aside_and_back(item)
    yield from corrected(item)


def corrected(item: Item) -> Iterator[ItemEvent]:
    """The fixes that changed its payload."""
    for correction in islice(fixes.corrections_of(item), SHOWN):
        fix = correction.fix
        changes = changes_of(correction.before or {}, correction.after or {})
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
        text = f"Failed at {attempt(item.attempts)}{duration(item)}"
        yield ItemEvent(item.finished_at or item.failed_at, "failed", text, reason=shown_message(item))


def ended_well(item: Item) -> Iterator[ItemEvent]:
    if item.status in Item.SUCCESSFUL_STATUSES and item.finished_at is not None:
        name = "Succeeded" if item.status == Status.SUCCEEDED else "Skipped"
        yield ItemEvent(item.finished_at, name.lower(), f"{name} at {attempt(item.attempts)}{duration(item)}")


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


def set_aside_and_back(item: Item) -> Iterator[ItemEvent]:
    rows = AsideItem.objects.filter(item=item).select_related("aside").order_by("-pk")[:SHOWN]
    for row in rows:
        aside, url = row.aside, address_of(row.aside)
        yield ItemEvent(aside.created_at, "quarantined", "set it aside", aside.actor, reason=aside.reason, url=url)
        if row.back_at is not None:
            yield ItemEvent(row.back_at, "retried", "brought it back", aside.back_by, url=url)
