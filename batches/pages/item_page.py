"""One item: how it stands and why, what was tried and done about it, what it holds and what it became."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from batches.extensions import ItemEvent, Link, registered
from batches.lanes import unknown_outcomes
from batches.models import Batch, Item, QuarantinedItem
from batches.pages.item_text import failure_message, sentence
from batches.pages.item_timeline import timeline
from batches.pages.markup import pill, pretty
from batches.redaction import redact
from batches.rights import OPERATE


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Freed of secrets. `previous` and `next` are the neighbours by position, `links` what may be done now."""

    item: Item
    batch: Batch
    pill: SafeString
    sentence: str
    message: str
    links: Sequence[Link]
    timeline: Sequence[ItemEvent]
    payload: SafeString
    result: SafeString | None
    facts: Sequence[tuple[str, str]]
    previous: Item | None
    next: Item | None


def item_page(item: Item, request: HttpRequest) -> ItemPage:
    may_operate = request.user.has_perm(OPERATE)  # type: ignore[union-attr]
    neighbours = Item.objects.filter(batch=item.batch_id).only("pk", "key", "position")
    quarantined = QuarantinedItem.objects.filter(item=item, back_at__isnull=True).select_related("quarantine").first()
    return ItemPage(
        item=item,
        batch=item.batch,
        pill=pill(item.status, item.get_status_display().lower()),
        sentence=sentence(item, quarantined),
        message=failure_message(item),
        links=list(item_links(item, quarantined)) if may_operate else [],
        timeline=timeline(item),
        payload=pretty(redact(item.payload)),
        result=None if item.result is None else pretty(redact(item.result)),
        facts=facts(item),
        previous=neighbours.filter(position__lt=item.position).order_by("-position").first(),
        next=neighbours.filter(position__gt=item.position).order_by("position").first(),
    )


def facts(item: Item) -> list[tuple[str, str]]:
    """(name, value) of what else there is to say."""
    rows = [
        ("position", f"{item.position:,}"),
        ("attempts", f"{item.attempts:,}"),
        ("of these not counted", f"{item.forgiven:,}" if item.forgiven else ""),
        ("workers that died", f"{item.crashes:,}" if item.crashes else ""),
        ("lane", "" if item.lane is None else str(item.lane)),
        ("error code", item.code),
    ]
    return [(name, value) for name, value in rows if value != ""]


def item_links(item: Item, quarantined: QuarantinedItem | None) -> Iterator[Link]:
    """Only what is legal now: the engine's own acts, then those of extensions."""
    if not item.batch.processor:
        return
    if item.code == unknown_outcomes.CODE and item.status in Item.FAILED_STATUSES:
        yield Link("Decide…", reverse("admin:batches_batch_decide", args=[item.batch_id, item.pk]), primary=True)
    for extension in registered():
        yield from extension.item_links(item, quarantined)
