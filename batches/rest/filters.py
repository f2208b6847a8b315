"""Which rows of a list are asked for."""

from __future__ import annotations

import django_filters as filters
from django.db.models import Q, QuerySet

from batches import operations
from batches.lanes.lane_counts import first_pending, items_by_status
from batches.models import Batch, Item


class BatchFilter(filters.FilterSet):
    status = filters.MultipleChoiceFilter(choices=Batch.Status.choices)
    processor = filters.CharFilter(max_length=100)
    created = filters.IsoDateTimeFromToRangeFilter(field_name="created_at")
    search = filters.CharFilter(method="in_id_or_name", max_length=200, label="Part of an id or name.")

    class Meta:
        model = Batch
        fields: tuple[str, ...] = ()

    def in_id_or_name(self, rows: QuerySet[Batch], name: str, text: str) -> QuerySet[Batch]:
        return rows.filter(Q(pk__icontains=text) | Q(name__icontains=text))

    def filter_queryset(self, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        """Archived batches are listed to who asks for their status, or searches."""
        rows: QuerySet[Batch] = super().filter_queryset(queryset)
        looks_for_some = self.form.cleaned_data.get("status") or self.form.cleaned_data.get("search")
        return rows if looks_for_some else rows.exclude(status=Batch.Status.ARCHIVED)


class ItemFilter(filters.FilterSet):
    status = filters.MultipleChoiceFilter(choices=Item.Status.choices, method="of_status")
    key = filters.CharFilter(max_length=200, strip=False)
    code = filters.CharFilter(max_length=64, method="of_code")

    class Meta:
        model = Item
        fields: tuple[str, ...] = ()

    def of_status(self, rows: QuerySet[Item], name: str, statuses: list[str]) -> QuerySet[Item]:
        """For what no item of the batch is, none is looked at."""
        if not statuses:
            return rows
        batch = operations.get_batch(self.request.resolver_match.kwargs["batch_id"])
        items = items_by_status(batch)
        statuses = [status for status in statuses if items.get(status) != 0]
        if statuses == [Item.Status.PENDING] and items:
            rows = rows.filter(position__gte=first_pending(batch.pk))
        return rows.filter(Item.of_statuses(*statuses)) if statuses else rows.none()

    def of_code(self, rows: QuerySet[Item], name: str, code: str) -> QuerySet[Item]:
        """In the words of their index: items without a code are not in it."""
        return rows.filter(~Q(code=""), code=code)
