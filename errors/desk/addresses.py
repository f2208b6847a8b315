"""Where the pages of the desk are: of a batch, of one of its groups, of a retry, of its errors one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from batches.addresses import address


def desk_url(batch_id: str, query_string: str = "", *, section: str = "") -> str:
    """The desk, with its filter as `query_string` and the part of the page that is shown first."""
    query, anchor = f"?{query_string}" if query_string else "", f"#{section}" if section else ""
    return f"{address('admin:errors_desk', batch_id)}{query}{anchor}"


def group_url(batch_id: str, fingerprint: str, **query: Any) -> str:
    return with_query(address("admin:errors_group", batch_id, fingerprint), query)


def records_url(batch_id: str, **fields: str) -> str:
    """Where a batch's errors are listed one by one, filtered by the fields."""
    return with_query(address("admin:errors_records", batch_id), fields)


def retry_url(batch_id: str, number: int, *, fate: str = "") -> str:
    """The page of a bulk retry; with a fate, its items that met it."""
    url = reverse("admin:errors_retry", args=[batch_id, number])
    return f"{with_query(url, {'fate': fate})}#items" if fate else url


def with_query(url: str, query: Mapping[str, Any]) -> str:
    return f"{url}?{urlencode(query)}" if query else url
