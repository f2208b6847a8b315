"""The filter bar, the same above groups and above records: what may be asked, what is asked, and how to ask less."""

from __future__ import annotations

from typing import Any

from django.utils.http import urlencode

from batches.models import Batch
from errors.filters.error_filter import ErrorFilter
from errors.models import BatchGroup, ErrorGroup

NAMES = {
    "state": "state",
    "category": "category",
    "code": "code",
    "text": "words",
    "group": "group",
    "attempt": "attempt",
    "positions": "positions",
    "field": "field",
    "since": "since",
    "until": "until",
}
FURTHER = ("attempt", "positions", "field", "since", "until", "group")
MOST_CODES = 200


def filter_bar(batch: Batch, error_filter: ErrorFilter) -> dict[str, Any]:
    kinds = BatchGroup.objects.filter(batch=batch).order_by().values_list("group__category", "group__code").distinct()
    known = list(kinds[:MOST_CODES])
    return {
        "error_filter": error_filter,
        "chips": [
            {
                "name": NAMES[name],
                "value": value,
                "moment": name in ("since", "until"),
                "without": urlencode({other: said for other, said in error_filter.as_dict().items() if other != name}),
            }
            for name, value in error_filter.as_dict().items()
        ],
        "further": any(getattr(error_filter, name) for name in FURTHER),
        "states": [("open", "open"), *((state.value, state.value) for state in ErrorGroup.State)],
        "categories": sorted({category for category, _ in known} | ({error_filter.category} - {""})),
        "codes": sorted({code for _, code in known} | ({error_filter.code} - {""})),
    }
