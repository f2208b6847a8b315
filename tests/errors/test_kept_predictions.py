"""What was predicted of retries beside what came of them: kept when they are over, and shown over all batches."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.models import Batch, RetriedItem, Retry
from errors.models import BatchGroup
from errors.recovery import evidence_queries, kept_predictions
from tests.helpers.batches import modes, ran
from tests.helpers.outages import group_address, outage
from tests.helpers.pages import page
from tests.helpers.people import UserOf, signed_in
from tests.helpers.retries import again, broken, now_do

PREDICTED = {"low": 20, "mid": 22, "high": 24, "basis": "a guess"}
UNKNOWN = {"low": 0, "mid": None, "high": 30, "basis": "not known yet"}


def compared(recovered: int, predicted: dict[str, object], processor: str = "shop", items: int = 100) -> Retry:
    batch, _ = Batch.objects.get_or_create(pk=f"of_{processor}", processor=processor)
    return Retry.objects.create(
        batch=batch,
        number=batch.retries.count() + 1,
        state=Retry.State.DONE,
        items=items,
        predicted=predicted,
        actual={"recovered": recovered, "waiting": 0},
    )


@pytest.mark.usefixtures("engine")
def test_it_keeps_what_came_of_a_retry_as_soon_as_it_is_over(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("viewer"))
    now_do(batch, "ok", 40, 60)
    operations.retry(batch.pk, group=group_address().split("/")[-3], predicted=PREDICTED)
    assert Retry.objects.get().actual is None
    runner.work_until_idle(batch.pk)
    assert Retry.objects.get().actual["recovered"] == 21
    RetriedItem.objects.all().delete()

    shown = page(client, reverse("admin:errors_predictions"))

    assert "1 of 1 prediction was right (100%); nine of ten should be." in shown
    assert "That is too few to judge by." in shown
    assert "22 (20-24)" in shown
    assert reverse("admin:errors_retry", args=["outage", 1]) in shown


@pytest.mark.django_db
def test_it_tells_too_few_from_too_many_and_what_was_not_predicted(user_of: UserOf) -> None:
    for recovered in (19, 20, 24, 25, 30):
        compared(recovered, PREDICTED)
    compared(0, UNKNOWN, "mail")

    record = kept_predictions.record_of(kept_predictions.comparisons())
    client = signed_in(user_of("viewer"))
    shown = page(client, reverse("admin:errors_predictions"))
    of_mail = page(client, reverse("admin:errors_predictions"), processor="mail")

    assert (record.compared, record.held, record.short, record.beyond, record.unknown) == (5, 2, 1, 2, 1)
    assert record.width == pytest.approx(0.04)
    assert "2 of 5 predictions were right (40%); nine of ten should be." in shown
    assert "Half of them left open no more than 4.0% of the items." in shown
    assert shown.count("fewer than predicted") == 1
    assert shown.count("more than predicted") == 2
    assert "Of 1 retry nothing could be predicted, and it was said so." in of_mail
    assert "predictions were right" not in of_mail


@pytest.mark.django_db
def test_it_judges_no_retry_whose_items_are_gone_or_that_was_stopped(user_of: UserOf) -> None:
    gone, stopped = compared(0, PREDICTED), compared(0, PREDICTED)
    Retry.objects.filter(pk=gone.pk).update(actual=None)
    Retry.objects.filter(pk=stopped.pk).update(actual=None, state=Retry.State.CANCELLED)

    assert kept_predictions.compare() == 1
    assert kept_predictions.compare() == 0
    assert kept_predictions.comparisons() == []
    assert "No retry with a prediction is over yet" in page(
        signed_in(user_of("viewer")), reverse("admin:errors_predictions")
    )


@pytest.mark.django_db
def test_it_asks_no_more_for_a_hundred_retries_than_for_one(user_of: UserOf) -> None:
    client: Client = signed_in(user_of("viewer"))
    compared(20, PREDICTED)
    page(client, reverse("admin:errors_predictions"))

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(client, reverse("admin:errors_predictions"))
        return len(captured)

    before = statements()
    for number in range(120):
        compared(number, PREDICTED, f"p{number % 7}")
    assert statements() <= before


@pytest.mark.usefixtures("engine")
def test_it_lists_a_retry_that_is_over_by_what_was_kept_of_it(user_of: UserOf) -> None:
    batch, client = outage(), signed_in(user_of("viewer"))
    now_do(batch, "ok", 40, 60)
    operations.retry(batch.pk, group=group_address().split("/")[-3])
    runner.work_until_idle(batch.pk)
    RetriedItem.objects.all().delete()
    with CaptureQueriesContext(connection) as statements:
        shown = page(client, reverse("admin:errors_retries", args=[batch.pk]))
    assert '?fate=recovered#items">21</a>' in shown
    assert not [each for each in statements if RetriedItem._meta.db_table in each["sql"]]


@pytest.mark.usefixtures("engine")
def test_those_that_were_never_retried_are_predicted_by_those_that_were() -> None:
    """What failed again at the first retry is not among them."""
    batch = ran(modes(*["network"] * 100), max_attempts=1, batch_id="part")
    now_do(batch, "ok", 0, 19)
    operations.retry(batch.pk, positions=[0, 39])
    runner.work_until_idle(batch.pk)
    retry = operations.retry(batch.pk, positions=[40, 99])
    assert retry.predicted["mid"] == 30
    assert retry.predicted["basis"] == "20 of 40 came right when they were retried before"


@pytest.mark.usefixtures("engine")
def test_what_others_retried_since_hides_no_earlier_retry_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_queries, "RETRIES_READ", 1)
    again(broken(4))
    compared(100, PREDICTED, processor="another")
    failed = broken(4)
    group = BatchGroup.objects.get(batch=failed).group
    known = evidence_queries.evidence_of(failed, {group.fingerprint: group.category})[group.fingerprint]
    assert (list(known.earlier), list(known.category)) == ([(4, 0)], [])
