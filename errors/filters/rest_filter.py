"""The fields of `ErrorFilter` as REST takes and documents them."""

from __future__ import annotations

import django_filters as filters

from batches import operations
from batches.models import Batch
from errors.filters.error_filter import ErrorFilter
from errors.filters.query_string import MAX_LENGTH
from errors.models import ErrorGroup

STATES = [("open", "New, acknowledged or regressed"), *ErrorGroup.State.choices]


class ErrorFilterSet(filters.FilterSet):
    """Checks the query string of a request about one batch, and makes an `ErrorFilter` of it."""

    state = filters.ChoiceFilter(choices=STATES, label="Of the error group; open: new, acknowledged or regressed.")
    category = filters.CharFilter(max_length=12)
    code = filters.CharFilter(max_length=64)
    text = filters.CharFilter(max_length=MAX_LENGTH, label="Words of message, exception or code, or an item's key.")
    group = filters.CharFilter(max_length=16, label="Fingerprint of an error group.")
    attempt = filters.CharFilter(max_length=10, label="2, or 3+ for the third and later ones.")
    positions = filters.CharFilter(max_length=24, label="From one position to another, such as 400-419.")
    field = filters.CharFilter(max_length=MAX_LENGTH, label="A payload field and its value, such as country=DE.")
    since = filters.CharFilter(max_length=40, label="Failed at this time or later, with its zone.")
    until = filters.CharFilter(max_length=40, label="Failed at this time or earlier, with its zone.")

    @property
    def error_filter(self) -> ErrorFilter:
        return ErrorFilter.from_query(self.form.cleaned_data)

    @property
    def batch(self) -> Batch:
        return operations.get_batch(self.request.parser_context["kwargs"]["batch_id"])
