"""Which items of a group are listed: by what became of them since, by key, and by what the desk's filter knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from django.db.models import Q
from django.utils.http import urlencode

from batches.models import Batch, Item
from errors.filters.error_filter import ErrorFilter
from errors.filters.query_string import clean_text
from errors.models import ErrorGroup

NOW: dict[str, tuple[str, Q]] = {
    "failed": ("failed or set aside", Q(item__status__in=Item.FAILED_STATUSES)),
    "quarantined": ("set aside", Q(item__status=Item.Status.QUARANTINED)),
    "recovered": ("recovered", Q(item__status__in=Item.SUCCESSFUL_STATUSES)),
    "waiting": ("waiting for a try", Q(item__status__in=(Item.Status.PENDING, Item.Status.RUNNING))),
}
"""What an item is now: the label of the choice, and the condition on its records."""
ERROR_FIELDS = ("positions", "attempt", "field")
"""The fields of the desk's filter that hold for items of one group."""


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items of a group are listed, as it stands in the page's address."""

    now: str = ""
    item: str = ""
    error_filter: ErrorFilter = field(default_factory=ErrorFilter)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ItemFilter:
        """From a query string; other names in it are left alone."""
        error_filter = ErrorFilter(**{name: clean_text(query.get(name, "")) for name in ERROR_FIELDS})
        now = query.get("now", "")
        return cls(now if now in NOW else "", clean_text(query.get("item", "")), error_filter)

    def condition(self, batch: Batch, group: ErrorGroup) -> Q:
        """On the group's records; InvalidInput for a text that cannot be read."""
        condition = NOW[self.now][1] if self.now else Q()
        if self.item:
            condition &= Q(item_key=self.item)
            if batch.processor:  # looked up by the items' own index
                condition &= Q(item__in=Item.objects.filter(batch=batch, key=self.item).values("pk"))
        return condition & replace(self.error_filter, group=group.fingerprint).record_condition(batch)

    @property
    def is_narrow(self) -> bool:
        """Whether an index finds the few it is about."""
        return bool(self.item or self.error_filter.positions)

    @property
    def query_string(self) -> str:
        values = {"now": self.now, "item": self.item, **self.error_filter.as_dict()}
        return urlencode({name: value for name, value in values.items() if value})
