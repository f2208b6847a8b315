"""The filter bar, the same above groups and above records: what can be chosen, what is, and how to filter less."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.http import urlencode

from batches.models import Batch
from errors.filters.error_filter import ErrorFilter
from errors.models import BatchGroup, ErrorGroup

FURTHER_FIELDS = ("attempt", "positions", "field", "since", "until", "group")
"""Fields that are folded away while all of them are empty."""
MOMENTS = ("since", "until")
KINDS_LISTED = 200


@dataclass(frozen=True, slots=True)
class Chip:
    """One field of the filter that is filled in, and the query string without it."""

    name: str
    value: str
    is_moment: bool
    query_without: str


@dataclass(frozen=True, slots=True)
class FilterBar:
    """The filter of a batch's errors with its choices."""

    error_filter: ErrorFilter
    chips: list[Chip]
    shows_further_fields: bool
    states: list[str]
    categories: list[str]
    codes: list[str]


def filter_bar(batch: Batch, error_filter: ErrorFilter) -> FilterBar:
    """With the categories and codes of the batch, and those that are chosen."""
    groups = BatchGroup.objects.filter(batch=batch).order_by()
    kinds = list(groups.values_list("group__category", "group__code").distinct()[:KINDS_LISTED])
    return FilterBar(
        error_filter=error_filter,
        chips=chips(error_filter),
        shows_further_fields=any(getattr(error_filter, name) for name in FURTHER_FIELDS),
        states=["open", *ErrorGroup.State.values],
        categories=sorted({category for category, _ in kinds} | ({error_filter.category} - {""})),
        codes=sorted({code for _, code in kinds} | ({error_filter.code} - {""})),
    )


def chips(error_filter: ErrorFilter) -> list[Chip]:
    values = error_filter.as_dict()
    return [
        Chip(
            name="words" if name == "text" else name,
            value=value,
            is_moment=name in MOMENTS,
            query_without=urlencode({other: text for other, text in values.items() if other != name}),
        )
        for name, value in values.items()
    ]
