"""Which items a group, a filter of the desk or a finding means."""

from __future__ import annotations

from typing import Any

import pytest

from batches import operations
from batches.exceptions import InvalidInput
from batches.models import Batch, Item
from errors.findings import findings_of
from tests.helpers.batches import modes, ran, statuses

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.full_on("postgresql")]


def by_country() -> Batch:
    """Two hundred items; those of one country fail, and nearly no other."""
    wanted = ["invalid" if n % 4 == 0 else "network" if n in (5, 77) else "ok" for n in range(160)]
    rows = [{"mode": mode, "country": "DE" if n % 4 == 0 else "FR"} for n, mode in enumerate(wanted)]
    return ran(rows, max_attempts=1)


def test_a_finding_sets_aside_exactly_the_items_it_speaks_of() -> None:
    batch = by_country()
    found = next(one for one in findings_of(batch) if "conditions" in one["where"])
    made = operations.quarantine(batch.pk, where={"conditions": found["where"]["conditions"]})
    assert made.items == found["failed"] > 39
    assert statuses(batch).count("QUARANTINED") == made.items
    assert Item.objects.filter(batch=batch, status="QUARANTINED", payload__country="DE").count() == 40
    assert operations.verify(batch.pk) == []


@pytest.mark.parametrize(
    ("wanted", "items"),
    [
        ({}, 42),
        ({"category": "network"}, 2),
        ({"category": "validation"}, 40),
        ({"text": "refused"}, 2),
        ({"state": "new"}, 42),
    ],
)
@pytest.mark.full
def test_a_filter_of_the_desk_means_everything_it_meets(wanted: dict[str, Any], items: int) -> None:
    assert operations.retry(by_country().pk, matching=wanted).items == items


@pytest.mark.parametrize(
    "scope",
    [
        {"matching": {"category": "nobody"}},
        {"matching": {"colour": "red"}},
        {"matching": {"state": 1}},
        {"where": {"conditions": []}},
        {"where": {"conditions": [{"field": "n"}]}},
        {"where": {"conditions": [{"field": "n", "test": ["explode", 1]}]}},
        {"where": {"conditions": [{"field": "n", "test": ["at_most", "number", "x"]}]}},
        {"where": {"conditions": [{"field": 3, "test": ["empty"]}]}},
        {"where": "country = DE"},
    ],
)
def test_it_refuses_what_means_nothing(scope: dict[str, Any]) -> None:
    batch = ran(modes("network"), max_attempts=1)
    with pytest.raises(InvalidInput):
        operations.retry(batch.pk, **scope)
