"""A processor with parameters, registered for one test, and batches of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile

from batches import operations
from batches.engine import runner
from batches.models import Batch, Item

NAME = "test.with_params"
Register = Callable[..., None]
"""`register(form, function)`: see the fixture; a second time it is what a deploy would have put in its place."""


class ReportForm(forms.Form):
    limit = forms.DecimalField(initial=Decimal("2.50"))
    since = forms.DateField(initial=lambda: date(2024, 2, 29), required=False)
    apiToken = forms.UUIDField(required=False)
    note = forms.CharField(required=False, label="What for")


class WithFile(forms.Form):
    rates = forms.FileField()
    factor = forms.IntegerField(initial=1)


def submitted(batch_id: str = "b1", items: Any = ({"n": 1}, {"n": 2}), **params: Any) -> Batch:
    return operations.submit(processor=NAME, params=params, items=list(items), batch_id=batch_id).batch


def ran(batch: Batch) -> Batch:
    if batch.status == "PENDING":
        operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    batch.refresh_from_db()
    return batch


def results(batch: Batch) -> list[Any]:
    return list(Item.objects.filter(batch=batch).order_by("position").values_list("result", flat=True))


def rates(text: str = "1.5") -> SimpleUploadedFile:
    return SimpleUploadedFile("rates.txt", text.encode())


def shown_params(payload: Any, context: Any) -> dict[str, str]:
    return {name: repr(value) for name, value in context.params.items()}
