"""Where the engine's own pages lead into the desk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode

from batches import operations
from batches.extensions import Link
from batches.models import Batch, Fix, Item, Quarantine, QuarantinedItem, Retry
from errors.desk.addresses import desk_url
from errors.grouping import failing_now
from errors.models import FAILS_OPENLY, BatchGroup


def navigation() -> Sequence[Link]:
    return [Link("Triage", reverse("admin:errors_overview"))]


def needs_attention() -> Q:
    """Batches of which items fail now in groups that nobody has settled."""
    failing_now.refresh_stale(at_once=True)
    return Q(pk__in=BatchGroup.objects.filter(FAILS_OPENLY).order_by().values("batch"))


def batch_links(batch: Batch, failed_items: int) -> Sequence[Link]:
    """The batch's desk, once something failed."""
    return [Link("Triage →", desk_url(batch.pk), failed_items)] if failed_items else []


def item_links(item: Item, quarantined: QuarantinedItem | None) -> Sequence[Link]:
    """What may be done now about an item that failed or was set aside."""
    return list(acts_on(item, quarantined))


def acts_on(item: Item, quarantined: QuarantinedItem | None) -> Iterator[Link]:
    batch_id, only = item.batch_id, urlencode({"positions": item.position})
    if quarantined is not None:
        yield Link("Bring back…", reverse("admin:errors_asides", args=[batch_id]), primary=True)
    elif item.failed_at is not None:
        if operations.may_retry(item.batch):
            retry = reverse("admin:errors_retry_matching", args=[batch_id])
            yield Link("Retry…", f"{retry}?{only}", primary=True, key="r")
        if item.batch.processor:
            yield Link("Correct…", f"{reverse('admin:errors_fixes', args=[batch_id])}?{only}")
        if item.status == Item.Status.FAILED:
            yield Link("Set aside…", f"{reverse('admin:errors_aside_matching', args=[batch_id])}?{only}")


def page_of(row: Retry | Fix | Quarantine) -> str:
    """The page of a retry or a fix; what was set aside is on one page for the batch."""
    if isinstance(row, Quarantine):
        return reverse("admin:errors_asides", args=[row.batch_id])
    name = "errors_retry" if isinstance(row, Retry) else "errors_fix"
    return reverse(f"admin:{name}", args=[row.batch_id, row.number])


def retry_page(batch: Batch, scope: Mapping[str, Any]) -> str:
    """Where a retry of an error group, of what a filter meets, or of everything that failed is confirmed."""
    if "group" in scope:
        return reverse("admin:errors_group_retry", args=[batch.pk, scope["group"]])
    if "matching" in scope or "all_failed" in scope:
        query = urlencode(scope.get("matching", {}))
        return reverse("admin:errors_retry_matching", args=[batch.pk]) + (f"?{query}" if query else "")
    return ""
