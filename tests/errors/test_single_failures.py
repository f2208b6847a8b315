"""Failures that are reported one by one: few statements, and what is stored is what a page of them stores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import adhoc, extensions
from batches.extensions import Extension
from errors import reported_errors
from errors.error_analyzer import aggregate_errors, record_error
from errors.models import BatchGroup, ErrorGroup, ErrorRecord

pytestmark = pytest.mark.usefixtures("engine")

STATEMENTS = 4
"""BEGIN, two, COMMIT."""


def timed_out(item: int | str, **more: Any) -> None:
    try:
        raise TimeoutError(f"no answer for row {item}")
    except TimeoutError as error:
        record_error("b", f"item_{item}", 7, error, "TIMEOUT", **more)


def everything_stored() -> list[Any]:
    records = ErrorRecord.objects.order_by("item_key", "attempt", "code").values_list(
        *("item_key", "position", "attempt", "group__fingerprint", "group__state", "item", "error_type", "code"),
        *("category", "classified_by", "retryable", "message", "fields", "traceback", "final", "worker"),
    )
    counters = BatchGroup.objects.order_by("group__fingerprint").values_list("group__fingerprint", "errors", "items")
    return [*records, *counters]


def a_day() -> None:
    """Failures of every kind."""
    for item in (1, 2, 2, 3, 3, 3):
        timed_out(item)
    timed_out(9, attempt=2)
    timed_out(9, attempt=2)
    timed_out(9)
    for item in (1, 4):
        record_error("b", f"item_{item}", item, ValueError(f"password=hunter2{item} of row {item} is bad"))
        record_error("b", f"item_{item}", item, RuntimeError())
    ErrorGroup.objects.filter(code="TIMEOUT").update(state=ErrorGroup.State.RESOLVED)
    timed_out(5)
    timed_out(6)
    adhoc.insert_items([(*("b", 0, "item_77", '{"item": "item_77"}', "PENDING", 0, 0, 0, "", "", None, None, None),)])
    timed_out(77)
    timed_out(77)


def test_it_stores_what_a_page_of_failures_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    a_day()
    quickly = everything_stored()
    assert len(quickly) >= 18
    for model in (ErrorRecord, BatchGroup, ErrorGroup):
        model.objects.all().delete()
    adhoc.batch_for("b").items.all().delete()
    monkeypatch.setattr(reported_errors, "record_quickly", lambda *arguments: False)
    a_day()
    assert everything_stored() == quickly


def test_a_further_failure_of_a_group_costs_four_statements() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL records in fewer round trips than it has statements")
    timed_out(1)
    for item in (2, 2, 3):
        with CaptureQueriesContext(connection) as queries:
            timed_out(item)
        assert len(queries) == STATEMENTS
    assert aggregate_errors("b", 10).problematic_items == ["item_2"]


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """The items of which another app is told that they failed."""
    keys: list[str] = []
    other = Extension(
        name="other", item_failed=lambda batch, failures: keys.extend(failure.item_key for failure in failures)
    )
    extensions.register(other)
    yield keys
    extensions.unregister(other)


def test_other_apps_are_told_of_every_failure(heard: list[str]) -> None:
    for item in (1, 2, 3):
        timed_out(item)
    assert heard == ["item_1", "item_2", "item_3"]
    assert ErrorRecord.objects.count() == 3
