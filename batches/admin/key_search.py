"""Items of all batches by their key. The index of keys is that of a batch's keys: it is looked into batch by batch."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from batches.admin import long_lists
from batches.models import Batch, Item

OF_BATCH = "batch__id__exact"
BATCHES_FOUND = 1_000
"""A list of all items with a key goes through so many batches; beyond them it says "1,000+"."""


def forms_of_key(key: str) -> set[str]:
    """A key as it was typed, and all in capitals or all in small letters."""
    return {key, key.upper(), key.lower()}


def items_of_key(request: HttpRequest, items: QuerySet[Item], key: str) -> QuerySet[Item]:
    """Those of the request's list that have the key."""
    of_key = items.filter(key__in=forms_of_key(key))
    return of_key if request.GET.get(OF_BATCH) else of_key.filter(batch__in=batches_with_key(request, key))


def batches_with_key(request: HttpRequest, key: str) -> list[str]:
    """Batches with such an item, in the list's order: all of them, or more than the list counts. Each is one look into
    the index: a join with items would be planned as a walk through all keys of all batches."""
    here: QuerySet[Item, Any] = Item.objects.filter(batch=OuterRef("pk"), key__in=forms_of_key(key)).order_by()
    batches = Batch.objects.alias(found=Subquery(here.values("key")[:1])).filter(found__isnull=False).order_by("pk")
    limit = most_found(request)
    return list(batches.values_list("pk", flat=True)[: limit and limit + 1])


def most_found(request: HttpRequest) -> int | None:
    """Up to how many items of a key are counted; None where another filter decides which of them are listed."""
    is_search_alone = request.GET.keys() <= {SEARCH_VAR, PAGE_VAR, ORDER_VAR}
    return max(BATCHES_FOUND, long_lists.rows_ahead(request, 100)) if is_search_alone else None


def counted_rows(request: HttpRequest, per_page: int) -> int:
    """Up to how many rows a list with such a search is counted."""
    is_over_all = request.GET.get(SEARCH_VAR, "").strip() and not request.GET.get(OF_BATCH)
    return (is_over_all and most_found(request)) or long_lists.count_limit(request, per_page)
