"""Errors over time: what a bin counts is what its address lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from errors.filters.error_filter import ErrorFilter
from errors.findings import timeline
from errors.models import ErrorRecord
from tests.helpers.failures import batch_of, fail

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 25, 14, 2, 10, tzinfo=UTC)
MOMENTS = (0, 1, 400, 499_600, 999_499, 999_500, 999_600, 999_999, 1_000_000, 1_999_999, 2_000_000, 60_000_000)
"""Microseconds from the start, many of them a hair's breadth before a bin's end."""


def test_it_counts_in_a_bin_what_the_bins_address_lists() -> None:
    batch = batch_of(len(MOMENTS))
    for position, moment in enumerate(MOMENTS):
        fail(batch, position, ConnectionError("refused"), at=START + timedelta(microseconds=moment))
    bins = timeline.current_bins(batch)
    assert bins is not None
    listed = []
    for place in range(len(bins.totals)):
        begin, end = bins.begin(place), bins.begin(place + 1) - timedelta(microseconds=1)
        window = ErrorFilter(since=begin.isoformat(), until=end.isoformat())
        listed.append(window.records(batch).count())
    assert list(bins.totals) == listed
    assert sum(listed) == ErrorRecord.objects.filter(batch=batch).count()
