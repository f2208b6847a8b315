"""One item: how it stands and why, what was tried and done about it, what it holds and what it became."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from batches import durations
from batches.intake import fixes
from batches.lanes import unknown_outcomes
from batches.models import AsideItem, Item, RetriedItem
from batches.pages.batch_page import pill, pretty
from batches.redaction import redact, redact_text
from batches.rights import OPERATE

S = Item.Status
SHOWN = 50
Event = dict[str, Any]
"""`at`, `kind` and `what`, and as far as there is more: who, why, url, template and its own values."""
FAILURES: list[Callable[[Item, int], Sequence[Event]]] = []
"""What failed: (item, how many at most) -> its failed attempts. Without one only the last is known."""


def item_page(item: Item, request: HttpRequest) -> dict[str, Any]:
    """Everything about it, freed of secrets."""
    may_operate = request.user.has_perm(OPERATE)  # type: ignore[union-attr]
    neighbours = Item.objects.filter(batch=item.batch_id).only("pk", "key", "position")
    aside = AsideItem.objects.filter(item=item, back_at__isnull=True).select_related("aside").first()
    timeline = sorted(events(item), key=lambda event: event["at"], reverse=True)
    return {
        "item": item,
        "batch": item.batch,
        "pill": pill(item.status, item.get_status_display().lower()),
        "sentence": sentence(item, aside),
        "message": redact_text(item.message, item.payload) if item.failed_at else "",
        "acts": list(acts(item, aside)) if may_operate else [],
        "timeline": timeline,
        "payload": pretty(redact(item.payload)),
        "result": None if item.result is None else pretty(redact(item.result)),
        "facts": facts(item),
        "previous": neighbours.filter(position__lt=item.position).order_by("-position").first(),
        "next": neighbours.filter(position__gt=item.position).order_by("position").first(),
    }


# -- how it stands -----------------------------------------------------------------------------------------------------


def sentence(item: Item, aside: AsideItem | None) -> str:
    """The state in words."""
    if item.status == S.QUARANTINED:
        return set_aside(item, aside)
    if item.status == S.SUCCEEDED:
        return f"It succeeded at {attempt(item.attempts)}{duration(item)}."
    if item.status == S.SKIPPED:
        return f"There was nothing to do: {redact_text(item.message, item.payload) or 'no reason was given'}"
    if item.status == S.FAILED:
        return f"It failed at {attempt(item.attempts)}{duration(item)}; nothing runs it again until somebody asks."
    if item.status == S.RUNNING:
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


def set_aside(item: Item, aside: AsideItem | None) -> str:
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


def acts(item: Item, aside: AsideItem | None) -> Iterator[tuple[str, str, bool]]:
    """(label, address, whether it is the first thing to do): only what is legal now."""
    batch = item.batch
    if not batch.processor:
        return
    only = urlencode({"positions": item.position})
    if item.code == unknown_outcomes.CODE and item.status in Item.FAILED_STATUSES:
        yield "Decide…", reverse("admin:batches_batch_decide", args=[batch.pk, item.pk]), True
    if aside is not None:
        yield "Bring back…", reverse("admin:errors_asides", args=[batch.pk]), True
    elif item.failed_at is not None:
        if batch.status in batch.AT_REST:
            yield "Retry…", f"{reverse('admin:errors_retry_matching', args=[batch.pk])}?{only}", True
        yield "Correct…", f"{reverse('admin:errors_fixes', args=[batch.pk])}?{only}", False
        if item.status == S.FAILED:
            yield "Set aside…", f"{reverse('admin:errors_aside_matching', args=[batch.pk])}?{only}", False


# -- what happened -----------------------------------------------------------------------------------------------------


def events(item: Item) -> Iterator[Event]:
    for known in FAILURES:
        yield from known(item, SHOWN)
    yield from ended_well(item)
    yield from retried(item)
    yield from asides(item)
    for one in fixes.history_of(item)[:SHOWN]:
        changes = [(change["field"], side(change, "old"), side(change, "new")) for change in one["changes"]]
        url = reverse("admin:errors_fix", args=[item.batch_id, one["number"]])
        what = f"corrected its row, by {one['file'] or 'a list'}"
        yield happened(one["at"], "corrected", what, one["by"], url=url, changes=changes)


def side(change: dict[str, Any], name: str) -> str:
    return json.dumps(change[name], ensure_ascii=False) if name in change else "(not there)"


def happened(at: Any, kind: str, what: str, who: str = "", **more: Any) -> Event:
    return {"at": at, "kind": kind, "what": what, "who": who, **more}


def ended_well(item: Item) -> Iterator[Event]:
    if item.status in Item.SUCCESSFUL_STATUSES and item.finished_at is not None:
        words = "Succeeded" if item.status == S.SUCCEEDED else "Skipped"
        yield happened(item.finished_at, words.lower(), f"{words} at {attempt(item.attempts)}{duration(item)}")


FATES = {
    "recovered": "it recovered",
    "failed_same": "it failed in the same way",
    "failed_differently": "it failed in another way",
    "failed_again": "it failed again",
    "skipped": "it was left out",
    "waiting": "it waits for its turn",
}


def retried(item: Item) -> Iterator[Event]:
    """The bulk retries that meant it."""
    rows = RetriedItem.objects.filter(item=item).select_related("retry").order_by("-pk")[:SHOWN]
    for row in rows:
        became = FATES[RetriedItem.names(row.fate, item.status)[-1]]
        why = f"{row.retry.reason} ({became})" if row.retry.reason else f"{became[:1].upper()}{became[1:]}."
        url = reverse("admin:errors_retry", args=[item.batch_id, row.retry.number])
        what = f"asked for retry {row.retry.number:,}"
        yield happened(row.retry.created_at, "retried", what, row.retry.actor, why=why, url=url)


def asides(item: Item) -> Iterator[Event]:
    rows = AsideItem.objects.filter(item=item).select_related("aside").order_by("-pk")[:SHOWN]
    url = reverse("admin:errors_asides", args=[item.batch_id])
    for row in rows:
        made = row.aside
        yield happened(made.created_at, "quarantined", "set it aside", made.actor, why=made.reason, url=url)
        if row.back_at is not None:
            yield happened(row.back_at, "retried", "brought it back", made.back_by, url=url)
