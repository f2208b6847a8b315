"""Which items a retry selects: the failed ones of its scope, without those that are left out for a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import CharField, Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Cast, Coalesce, Left

from batches.extensions import registered
from batches.models import Batch, Item, QuarantinedItem, Retry

QUARANTINED = "It is set aside: bring it back first."
UNCHANGED = "It cannot pass unchanged: correct it, or ask for permanent failures too."
NAMING_SCOPES = frozenset({"item_keys", "fix"})
"""Scopes that name each of their items: these also select items that a person has quarantined."""


@dataclass(frozen=True)
class Selection:
    """The failed items of a scope, and the reasons for which some are left out.

    Of several reasons to leave an item out the first one counts.
    """

    items: QuerySet[Item]
    reasons: Sequence[tuple[Q, str]]

    @cached_property
    def failed(self) -> int:
        """Their number."""
        return self.items.order_by().count()

    @cached_property
    def highest_id(self) -> int:
        """Of the items; 0 without any."""
        return self.items.aggregate(highest_id=Max("pk"))["highest_id"] or 0

    @property
    def left_out(self) -> dict[str, int]:
        """How many items are left out, by reason."""
        counts = Counter[str]()
        for n, (condition, reason) in enumerate(self.reasons):
            rows = self.items.filter(condition)
            for earlier, _ in self.reasons[:n]:
                rows = rows.exclude(earlier)
            counts[reason] += rows.count()
        return counts

    @cached_property
    def tried(self) -> int:
        return self.failed - sum(self.left_out.values())

    def reasons_of(self, items: QuerySet[Item]) -> dict[int, str]:
        """Of these items, id -> the reason for which it is left out."""
        reasons: dict[int, str] = {}
        for condition, reason in reversed(self.reasons):
            reasons |= dict.fromkeys(items.filter(condition).order_by().values_list("pk", flat=True), reason)
        return reasons


def select_failed(batch: Batch, condition: Q, *, permanent: bool, quarantined_too: bool = False) -> Selection:
    """Every failed item that meets the condition; without `permanent`, what cannot pass unchanged is left out."""
    items = Item.objects.filter(condition, batch=batch, failed_at__isnull=False)
    quarantined = QuarantinedItem.objects.filter(item=OuterRef("pk"), back_at__isnull=True)
    reasons = [] if quarantined_too else [(Q(Exists(quarantined)), QUARANTINED)]
    if not permanent:
        added = (extension.permanent_failures for extension in registered())
        reasons += [(permanent_failures(batch), UNCHANGED) for permanent_failures in added if permanent_failures]
    return Selection(items, reasons)


def selection_of(retry: Retry, condition: Q, batch: Batch | None = None) -> Selection:
    """What the retry selects among the items that meet the condition; a draft has no `batch` of its own yet."""
    named = not NAMING_SCOPES.isdisjoint(retry.scope)
    return select_failed(batch or retry.batch, condition, permanent=retry.permanent, quarantined_too=named)


def kind_of_item() -> Any:
    """In a query of items: how each failed last, as the extension registered last has it, else its error code; at most
    64 characters."""
    kinds = [extension.failure_kind() for extension in reversed(registered()) if extension.failure_kind]
    return Left(Coalesce(*(Cast(kind, CharField()) for kind in kinds), F("code")) if kinds else F("code"), 64)
