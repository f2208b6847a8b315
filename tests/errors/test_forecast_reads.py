"""What the page of a retry reads: counts that are kept are not counted anew, and failed items are not looked up."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches.lifecycle import retry_selection
from batches.models import Batch, Item
from errors.filters.scopes import items_of_matching
from errors.grouping import failing_now
from errors.models import BatchGroup, FailingCount
from errors.recovery import evidence_queries
from errors.recovery.forecast import Forecast, forecast
from tests.helpers.batches import modes, ran
from tests.helpers.outages import outage

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def forecast_of(batch: Batch) -> tuple[Forecast, list[str]]:
    """Of all that failed, and the statements about records."""
    with CaptureQueriesContext(connection) as statements:
        expected = forecast(batch, {"all_failed": True})
    return expected, [each["sql"] for each in statements if "errors_errorrecord" in each["sql"]]


def test_it_reads_how_many_failed_by_group_where_that_is_kept() -> None:
    batch = outage()
    FailingCount.objects.all().delete()
    counted, statements = forecast_of(batch)
    failing_now.refresh(batch)
    kept, fewer = forecast_of(batch)
    assert kept == counted
    assert (kept.failed, kept.tried, kept.permanent, kept.groups) == (34, 30, 4, 2)
    assert [each for each in statements if "FILTER" in each or "CASE WHEN" in each]
    assert not [each for each in fewer if "FILTER" in each or "CASE WHEN" in each]


def test_it_reads_how_many_failed_of_one_group_where_that_is_kept() -> None:
    batch = outage()
    for fingerprint in fingerprints(batch):
        FailingCount.objects.all().delete()
        counted = forecast(batch, {"group": fingerprint})
        failing_now.refresh(batch)
        with CaptureQueriesContext(connection) as statements:
            assert forecast(batch, {"group": fingerprint}) == counted
        of_records = [each["sql"] for each in statements if "errors_errorrecord" in each["sql"]]
        assert not [each for each in of_records if "FILTER" in each or "CASE WHEN" in each]


def test_it_counts_anew_what_has_moved_since_it_was_kept() -> None:
    batch = outage()
    failing_now.refresh(batch)
    BatchGroup.objects.filter(items=4).update(errors=5, failing=2)
    assert forecast_of(batch)[0].permanent == 4


def test_what_failed_finally_is_looked_up_by_its_index_alone() -> None:
    batch = ran(modes(*["network"] * 6), max_attempts=2, batch_id="b1")
    fingerprint = BatchGroup.objects.get(batch=batch).group.fingerprint
    with CaptureQueriesContext(connection) as statements:
        assert evidence_queries.attempts_of(batch, [fingerprint]) == {fingerprint: [(6, 0)]}
    of_items = [each["sql"] for each in statements if 'JOIN "batches_item"' in each["sql"]]
    assert [each for each in of_items if "NOT EXISTS" in each or "NOT (EXISTS" in each] == of_items


def test_a_selection_counts_without_reading_items() -> None:
    batch = outage()
    with CaptureQueriesContext(connection) as statements:
        assert retry_selection.select_failed(batch, retry_selection.Q(), permanent=True).failed == 34
    assert [each["sql"] for each in statements if "status" in each["sql"]] == []


def test_what_passed_with_its_next_attempt_is_counted() -> None:
    batch = ran(modes("fail_once", "fail_once", "ok", "network"), max_attempts=2, batch_id="b2")
    attempts = evidence_queries.attempts_of(batch, fingerprints(batch))
    assert sorted(tuple(each) for each in attempts.values()) == [((1, 0),), ((2, 2),)]


def test_nobody_looks_for_items_that_passed_among_those_that_all_stand_failed() -> None:
    batch = ran(modes(*["network"] * 6), max_attempts=2, batch_id="b1")
    failing_now.refresh(batch)
    with CaptureQueriesContext(connection) as statements:
        assert list(evidence_queries.attempts_of(batch, fingerprints(batch)).values()) == [[(6, 0)]]
    assert not [each["sql"] for each in statements if 'JOIN "batches_item"' in each["sql"]]


def test_what_passed_is_counted_also_where_counts_are_kept() -> None:
    batch = ran(modes("fail_once", "fail_once", "ok", "network"), max_attempts=2, batch_id="b2")
    failing_now.refresh(batch)
    attempts = evidence_queries.attempts_of(batch, fingerprints(batch))
    assert sorted(tuple(each) for each in attempts.values()) == [((1, 0),), ((2, 2),)]


def test_whole_items_are_read_of_samples_alone() -> None:
    batch = outage()
    with CaptureQueriesContext(connection) as statements:
        samples = forecast(batch, {"all_failed": True}).samples
    assert [item.position for item in samples] == sorted(item.position for item in samples)
    (of_items,) = (
        each["sql"] for each in statements if each["sql"].startswith("SELECT") and '"payload"' in each["sql"]
    )
    assert len(samples) == 5
    assert "LIMIT 200" not in of_items


def fingerprints(batch: Batch) -> list[str]:
    return list(BatchGroup.objects.filter(batch=batch).values_list("group__fingerprint", flat=True))


def test_it_reads_the_errors_that_a_filter_means_once() -> None:
    """Their items were looked for among the errors again, for how many they are and for their groups."""
    batch = outage()
    for matching in ({"text": "refused"}, {"positions": "0-20"}, {"field": "mode=network"}, {"attempt": "1"}):
        with CaptureQueriesContext(connection) as statements:
            counted = forecast(batch, {"matching": matching})
        meant = Item.objects.filter(items_of_matching(batch, matching), batch=batch, failed_at__isnull=False)
        assert counted.failed == meant.count()
        grouped = [each["sql"] for each in statements if "GROUP BY" in each["sql"] and '"items"' in each["sql"]]
        assert len(grouped) == 1
        assert grouped[0].count('FROM "errors_errorrecord"') == 1
        counting = [each["sql"] for each in statements if each["sql"].startswith("SELECT COUNT(")]
        assert not [sql for sql in counting if "errors_errorrecord" in sql]
