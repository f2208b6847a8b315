"""What has expired goes a few rows a transaction, however much of it there is, and nothing else goes with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches import paged_deletes
from batches.access import allowances, failures
from batches.intake import fixes
from batches.lifecycle import deliveries, samples
from batches.models import Allowance, Batch, Correction, Delivery, FailedSignIn, Fix, Sample
from tests.helpers.batches import modes, submitted

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine")]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ROWS, STEP = 5, 2


def old_deliveries(batch: Batch) -> None:
    Delivery.objects.bulk_create(Delivery(batch=batch, event="batch.failed") for _ in range(ROWS))
    Delivery.objects.update(created_at=LONG_AGO, due_at=None)


def old_failures(batch: Batch) -> None:
    FailedSignIn.objects.bulk_create(FailedSignIn(door="page") for _ in range(ROWS))
    FailedSignIn.objects.update(at=LONG_AGO)


def old_counts(batch: Batch) -> None:
    Allowance.objects.bulk_create(
        Allowance(key=str(number), started_ms=number, window_ms=60_000, used=1) for number in range(ROWS)
    )


def old_fix(batch: Batch) -> None:
    fix = Fix.objects.create(batch=batch, number=1, expires_at=LONG_AGO)
    Correction.objects.bulk_create(Correction(fix=fix, row=number, verdict="REFUSED") for number in range(ROWS))


def old_samples(batch: Batch) -> None:
    Sample.objects.bulk_create(
        Sample(batch=batch, slot=1 + number, at=LONG_AGO, done=0, active_seconds=0) for number in range(ROWS)
    )


CASES: list[tuple[type[Any], Callable[[Batch], None], Callable[[], Any]]] = [
    (Delivery, old_deliveries, deliveries.forget_old),
    (FailedSignIn, old_failures, failures.forget_old),
    (Allowance, old_counts, allowances.forget_ended),
    (Correction, old_fix, fixes.forget_expired),
    (Sample, old_samples, samples.thin_out),
]


def test_it_goes_in_statements_of_a_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paged_deletes, "ROWS_PER_STEP", STEP)
    batch = submitted(modes("ok"))
    for model, fill, forget in CASES:
        model.objects.all().delete()
        fill(batch)
        table = connection.ops.quote_name(model._meta.db_table)
        with CaptureQueriesContext(
            connection,
        ) as statements:
            forget()
        deletes = [each["sql"] for each in statements if each["sql"].startswith(f"DELETE FROM {table}")]
        assert not model.objects.exists(), model
        assert len(deletes) >= ROWS / STEP, model


def test_what_is_sent_again_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    old_deliveries(submitted(modes("ok")))
    resent = Delivery.objects.earliest("pk")
    delete = paged_deletes.delete

    def resend_before(rows: Any) -> int:
        Delivery.objects.filter(pk=resent.pk).update(due_at=timezone.now() + timedelta(minutes=1))
        return delete(rows)

    monkeypatch.setattr(paged_deletes, "delete", resend_before)
    assert deliveries.forget_old() == ROWS - 1
    assert Delivery.objects.get() == resent
