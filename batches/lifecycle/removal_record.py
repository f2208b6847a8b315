"""The record of batches that are gone, and its end: a row stays for years, and then its id may be used again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from batches.conf import settings
from batches.models import Batch, Removal, Tally
from batches.paged_deletes import delete

ROWS_PER_TRANSACTION = 500
FORGOTTEN_ITEMS = "forgotten_removed_items"
"""The tally of items whose removal is not on record any more: what is counted for `/metrics` never falls."""


def forget_old() -> int:
    """Remove what is on record for longer than the setting says, but of no batch that is still there; how many."""
    if not settings.PORTAL_FORGET_DELETED_AFTER_DAYS:
        return 0
    forgotten = 0
    while removed := forget_some(ROWS_PER_TRANSACTION):
        forgotten += removed
    return forgotten


@transaction.atomic
def forget_some(size: int) -> int:
    """The oldest, in one transaction with the count of their items."""
    old = list(forgettable().select_for_update(skip_locked=True).order_by("pk")[:size])
    items = Counter[str]()
    for row in old:
        items[row.kind] += row.removed_items
    count_forgotten(items)
    return delete(Removal.objects.filter(pk__in=[row.pk for row in old])) if old else 0


def forgettable() -> QuerySet[Removal]:
    """An archived batch needs its row as long as it is there, and so does one whose removal was refused."""
    before = timezone.now() - timedelta(days=settings.PORTAL_FORGET_DELETED_AFTER_DAYS)
    over = Removal.objects.exclude(state=Removal.State.RUNNING).filter(finished_at__lt=before)
    return over.filter(~Exists(Batch.objects.filter(pk=OuterRef("batch_id"))))


def count_forgotten(items: Mapping[str, int]) -> None:
    for kind, count in items.items():
        Tally.objects.get_or_create(name=FORGOTTEN_ITEMS, labels=kind, defaults={"at": timezone.now()})
        tally = Tally.objects.filter(name=FORGOTTEN_ITEMS, labels=kind)
        tally.update(count=F("count") + count, at=timezone.now())


def forgotten_items() -> dict[str, int]:
    """Items by kind of removal, of what is not on record any more."""
    rows = Tally.objects.filter(name=FORGOTTEN_ITEMS).values_list("labels", "count")
    return {kind: int(count) for kind, count in rows}
