"""Parameters of a batch that is there: changed by a retry, stored by an earlier version, refused by a changed form."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.db import connection

from batches import operations, processors
from batches.engine import rehearsals
from batches.exceptions import InvalidInput
from batches.lanes import unknown_outcomes
from batches.models import Batch, Item, ParameterFile
from batches.processors import ItemError
from tests.helpers.with_params import (
    NAME,
    Register,
    ReportForm,
    WithFile,
    ran,
    rates,
    results,
    shown_params,
    submitted,
)

pytestmark = [pytest.mark.usefixtures("engine", "impatient"), pytest.mark.full_on("postgresql")]


# -- other parameters later --------------------------------------------------------------------------------------------


def test_it_retries_with_other_parameters_and_the_same_file(register: Register) -> None:
    def multiply(payload: Any, context: Any) -> Any:
        if context.params["factor"] == 1:
            raise ItemError("too small", code="SMALL")
        return {"n": float(context.params["rates"].read()) * context.params["factor"]}

    register(WithFile, multiply)
    batch = ran(submitted(rates=rates()))
    with pytest.raises(InvalidInput, match=r"params\.factor"):
        operations.retry(batch.pk, all_failed=True, params={"factor": "many"})
    operations.retry(batch.pk, all_failed=True, params={"factor": "2"})
    assert results(ran(operations.get_batch(batch.pk))) == [{"n": 3.0}] * 2
    operations.get_batch(batch.pk)
    assert ParameterFile.objects.count() == 1
    change = batch.retries.get().changes["params"]
    assert (change["before"]["factor"], change["after"]["factor"]) == (1, "2")


def test_it_goes_on_with_a_batch_that_an_earlier_version_stored_cleaned(register: Register) -> None:
    class Form(forms.Form):
        limits = forms.CharField()

        def clean_limits(self) -> list[str]:
            return str(self.cleaned_data["limits"]).split(",")

    register(Form, lambda payload, context: {"limits": context.params["limits"]})
    batch = submitted(limits="1,2")
    Batch.objects.update(params={"limits": ["1", "2"]}, params_cleaned=True)
    assert results(ran(operations.get_batch(batch.pk))) == [{"limits": ["1", "2"]}] * 2
    assert submitted(limits="1,2").pk == batch.pk, "its fingerprint is still that of the same submission"


def test_it_takes_what_an_old_process_writes_after_the_upgrade_for_cleaned(register: Register) -> None:
    register(ReportForm)
    submitted()
    columns = [field.column for field in Batch._meta.concrete_fields if field.column not in ("id", "params_cleaned")]
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO batches_batch (id, {names}) SELECT 'b2', {names} FROM batches_batch")
    assert Batch.objects.get(pk="b2").params_cleaned


# -- when the form does not take them any more -------------------------------------------------------------------------


class Stricter(forms.Form):
    limit = forms.DecimalField(max_value=5)


def test_it_fails_the_batch_in_words_and_no_item_when_the_form_has_changed(
    register: Register, ten_minutes_later: None
) -> None:
    register(ReportForm, shown_params)
    batch = submitted(limit="10")
    register(Stricter, shown_params)
    ran(batch)
    assert batch.status == "FAILED"
    assert "does not take the batch's parameters any more: params.limit: Ensure this value" in batch.reason
    assert set(Item.objects.values_list("status", "attempts")) == {("PENDING", 0)}
    with pytest.raises(InvalidInput, match="any more") as refused:
        operations.resume(batch.pk)
    assert set(refused.value.errors) == {"params.limit"}
    register(ReportForm, shown_params)
    operations.resume(batch.pk)
    assert ran(operations.get_batch(batch.pk)).status == "COMPLETED"
    assert operations.verify(batch.pk) == []


def test_it_fails_the_batch_when_the_form_breaks(register: Register, ten_minutes_later: None) -> None:
    class Broken(forms.Form):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise LookupError("no such table of limits")

    register(ReportForm)
    batch = submitted(limit="10")
    register(Broken)
    assert ran(batch).status == "FAILED"
    problem = f"Processor {NAME} broke when it checked the batch's parameters: LookupError: no such table of limits"
    assert batch.reason == problem


def test_it_leaves_a_parameter_alone_that_the_form_no_longer_has(register: Register) -> None:
    register(ReportForm)
    batch = submitted(limit="10", note="why")
    register(type("Form", (forms.Form,), {"limit": forms.DecimalField()}), shown_params)
    assert results(ran(batch)) == [{"limit": repr(Decimal(10))}] * 2


def test_it_refuses_to_rehearse_and_cancels_a_rehearsal_whose_form_has_changed(register: Register) -> None:
    register(ReportForm)
    batch = submitted(limit="10")
    rehearsal = operations.rehearse(batch.pk, wake=False)
    register(Stricter)
    rehearsals.work(rehearsal.pk)
    rehearsal.refresh_from_db()
    assert (rehearsal.state, "params.limit" in rehearsal.note) == ("CANCELLED", True)
    with pytest.raises(InvalidInput, match="any more"):
        operations.rehearse(batch.pk)


@pytest.mark.parametrize(("limit", "asks"), [("3", False), ("4", True), ("none", True)])
def test_it_asks_about_unknown_calls_by_typed_parameters(register: Register, limit: str, asks: bool) -> None:
    register(ReportForm, effects="external", on_unknown=lambda params: "ask" if params["limit"] > 3 else "retry")
    batch = submitted(limit="1")
    Batch.objects.update(params={"limit": limit})
    batch.refresh_from_db()
    assert unknown_outcomes.asks_a_person(batch, processors.get(NAME)) is asks
