"""The errors of a batch one by one, as far as they are asked for: a page by key, as quick at the end as at first."""

from __future__ import annotations

from typing import Any

from batches.exceptions import InvalidInput
from batches.models import Batch
from errors.desk.filter_bar import filter_bar
from errors.filters.error_filter import ErrorFilter

SHOWN = 100


def record_page(batch: Batch, error_filter: ErrorFilter, after: str = "") -> dict[str, Any]:
    known = {"batch": batch, **filter_bar(batch, error_filter)}
    try:
        met = error_filter.records(batch).select_related("group", "item").defer("item__payload", "item__result")
        start = int(after) if after.isdecimal() and len(after) < 19 else 0
        page = list(met.filter(pk__gt=start)[: SHOWN + 1])
        matching = error_filter.count_records(batch)
    except InvalidInput as error:
        return known | {"refused": str(error), "records": [], "matching": 0}
    return known | {
        "records": page[:SHOWN],
        "matching": matching,
        "paged": start > 0,
        "after": page[SHOWN - 1].pk if len(page) > SHOWN else None,
    }
