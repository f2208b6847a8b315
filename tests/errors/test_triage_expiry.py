"""What triage keeps for a while only: tracebacks of no error, moves of groups, advice that was replaced."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from batches.models import Batch
from errors import tasks
from errors.error_analyzer import record_error
from errors.grouping import unused_tracebacks
from errors.models import ErrorGroup, ErrorRecord, Recommendation, RegroupJob, Traceback
from tests.helpers.batches import modes, ran
from tests.helpers.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("engine")
LONG_AGO = timedelta(days=100)


def time_out(item: str) -> None:
    try:
        raise TimeoutError("no answer")
    except TimeoutError as error:
        record_error("b", item, 0, error, "TIMEOUT")


@pytest.mark.any_database
def test_a_traceback_goes_with_the_last_error_that_points_at_it() -> None:
    ran(modes("network"), max_attempts=1, batch_id="b1")
    time_out("item_1")
    tasks.clean_up()
    assert Traceback.objects.count() == 2
    ErrorRecord.objects.filter(batch="b1").delete()
    tasks.clean_up()
    assert Traceback.objects.get().pk == ErrorRecord.objects.values_list("traceback", flat=True).get()


def test_a_traceback_that_an_open_transaction_uses_again_stays() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer")
    time_out("item_1")
    ErrorRecord.objects.all().delete()
    removed: list[int] = []

    def clean() -> None:
        try:
            removed.append(unused_tracebacks.forget())
        finally:
            connection.close()

    cleaner = threading.Thread(target=clean)
    with transaction.atomic():
        time_out("item_2")
        cleaner.start()
        cleaner.join(PATIENCE)
    assert removed == [0]
    assert ErrorRecord.objects.get().traceback_id == Traceback.objects.get().pk


@pytest.mark.any_database
def test_moves_of_groups_that_were_over_long_ago_go() -> None:
    ran(modes("network", "invalid"), max_attempts=1)
    one, other = ErrorGroup.objects.order_by("pk")
    jobs: dict[str, Any] = {"verb": "merge", "errors": 1}
    over = RegroupJob.objects.create(group=one, state="done", finished_at=timezone.now() - LONG_AGO, **jobs)
    young = RegroupJob.objects.create(group=one, state="refused", finished_at=timezone.now(), **jobs)
    waiting = RegroupJob.objects.create(group=other, **jobs)
    RegroupJob.objects.filter(pk=waiting.pk).update(at=timezone.now() - LONG_AGO)
    tasks.clean_up()
    assert set(RegroupJob.objects.values_list("pk", flat=True)) == {young.pk, waiting.pk}
    assert over.pk not in (young.pk, waiting.pk)


@pytest.mark.any_database
def test_advice_that_was_replaced_long_ago_goes_and_its_numbers_are_not_given_again() -> None:
    batch = ran(modes("ok"))
    states = ("expired", "dismissed", "superseded", "verified", "expired", "expired")
    for number, state in enumerate(states, start=1):
        advice(batch, number, state)
    Recommendation.objects.update(created_at=timezone.now() - LONG_AGO)
    Recommendation.objects.filter(number=5).update(created_at=timezone.now())
    tasks.clean_up()
    assert list(Recommendation.objects.values_list("number", flat=True)) == [2, 4, 5, 6]


def advice(batch: Batch, number: int, state: str) -> None:
    Recommendation.objects.create(batch=batch, number=number, state=state, rule="network", subject=str(number))
