"""Times as text, and whose clock they are told by."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as some

from batches.clock import sqlite_text, utc_text


@given(at=some.datetimes(timezones=some.just(UTC)))
@example(at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
@example(at=datetime(1, 1, 1, 0, 0, 0, 7, tzinfo=UTC))
def test_it_writes_a_time_as_python_does(at: datetime) -> None:
    assert utc_text(at) == at.isoformat()
    assert sqlite_text(at) == str(at).removesuffix("+00:00")
