"""The record of batches that are gone has an end, by a setting; what it counted stays counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from batches import operations, tasks
from batches.exceptions import BatchConflict
from batches.lifecycle import removals
from batches.models import Removal
from tests.helpers.check_rows import finished, submitted
from tests.helpers.people import client

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.any_database]
GONE = 'batchportal_removed_items_total{kind="delete"} 2.0'


def years_ago(years: float) -> None:
    Removal.objects.update(finished_at=timezone.now() - years * timedelta(days=365))


def deleted(batch_id: str) -> None:
    finished(batch_id)
    operations.delete(batch_id)
    removals.work()


def test_a_record_goes_after_three_years_and_its_id_is_free_then() -> None:
    deleted("b1")
    years_ago(2.9)
    tasks.clean_up()
    with pytest.raises(BatchConflict):
        submitted("b1")
    years_ago(3.1)
    tasks.clean_up()
    assert not Removal.objects.exists()
    assert submitted("b1").pk == "b1"


def test_the_count_of_items_that_went_does_not_fall_with_it() -> None:
    deleted("b1")
    assert GONE in client("viewer").get("/metrics").content.decode()
    years_ago(4)
    tasks.clean_up()
    assert GONE in client("viewer").get("/metrics").content.decode()


def test_an_archived_batch_keeps_its_record() -> None:
    finished("b1")
    operations.archive("b1")
    removals.work()
    years_ago(9)
    tasks.clean_up()
    assert removals.summary_of("b1")["counts"]["succeeded"] == 1


def test_a_removal_under_way_and_one_of_a_portal_that_keeps_all_stay(settings: Any) -> None:
    finished("b1")
    operations.delete("b1")
    deleted("b2")
    settings.PORTAL_FORGET_DELETED_AFTER_DAYS = 0
    Removal.objects.filter(batch_id="b2").update(finished_at=timezone.now() - timedelta(days=9_999))
    tasks.clean_up()
    assert Removal.objects.count() == 2
