"""Parameters are kept as they were given, and mean at every moment what the processor's form makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from catalog.models import Product
from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from batches import operations, processors
from batches.engine import runner
from batches.exceptions import BatchConflict, InvalidInput
from batches.lanes import unknown_outcomes
from batches.models import Batch, Item, ParameterFile
from batches.processors import ItemError, Processor
from tests.helpers.people import client, person

pytestmark = pytest.mark.usefixtures("engine", "impatient")
NAME = "test.with_params"
Register = Callable[..., None]


class ReportForm(forms.Form):
    limit = forms.DecimalField(initial=Decimal("2.50"))
    since = forms.DateField(initial=lambda: date(2024, 2, 29), required=False)
    apiToken = forms.UUIDField(required=False)
    note = forms.CharField(required=False, label="What for")


class WithFile(forms.Form):
    rates = forms.FileField()
    factor = forms.IntegerField(initial=1)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Registers, for one test, a processor of that form; again, it is what a deploy would have put in its place."""

    def registered(form: type[forms.Form] | None, function: Any = None, **more: Any) -> None:
        new = Processor(name=NAME, function=function or (lambda payload, context: None), params=form, **more)
        monkeypatch.setitem(processors._registry, NAME, new)

    return registered


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


# -- what was given, and what was not ----------------------------------------------------------------------------------


def shown_params(payload: Any, context: Any) -> dict[str, str]:
    return {name: repr(value) for name, value in context.params.items()}


DEFAULTS = {"limit": repr(Decimal("2.50")), "since": repr(date(2024, 2, 29)), "apiToken": "None", "note": "''"}


def test_it_keeps_what_was_given_and_hands_out_what_it_means(register: Register) -> None:
    register(ReportForm, shown_params)
    batch = ran(submitted(limit="10", since=date(2024, 3, 1)))
    assert batch.params == {"limit": "10", "since": "2024-03-01"}
    assert results(batch)[1] == DEFAULTS | {"limit": repr(Decimal(10)), "since": repr(date(2024, 3, 1))}


def test_it_takes_the_forms_initial_where_nothing_was_given_at_every_door(register: Register, tmp_path: Any) -> None:
    register(ReportForm, shown_params)
    rows = tmp_path / "rows.csv"
    rows.write_text("n\n1\n")
    submitted("python", [{"n": 1}])
    body = {"processor": NAME, "id": "rest", "items": [{"n": 1}]}
    assert client("operator").post("/api/batches", body, format="json").status_code == 201
    browser = Client()
    browser.force_login(person("admin"))
    address = reverse("admin:batches_batch_new", args=[NAME])
    shown = browser.get(address).context["form"]
    filled_in = {name: shown[name].value() for name in shown.fields if shown[name].value() is not None}
    with rows.open("rb") as file:
        assert browser.post(address, filled_in | {"file": file, "id": "page"}).status_code == 302
    with pytest.raises(SystemExit):
        call_command("batch", "run", NAME, str(rows), "--id", "cli")
    for name in ("python", "rest", "page", "cli"):
        assert results(ran(operations.get_batch(name)))[0] == DEFAULTS, name


def test_it_fixes_a_default_that_is_worked_out_when_the_batch_is_submitted(register: Register) -> None:
    days = iter([date(2024, 1, day) for day in range(1, 30)])
    form = type("Form", (forms.Form,), {"since": forms.DateField(initial=lambda: next(days))})
    register(form, shown_params)
    batch = submitted()
    given = dict(batch.params)
    assert ran(batch).params == given
    assert set(map(str, results(batch))) == {str({"since": repr(date.fromisoformat(given["since"]))})}
    again = operations.submit(processor=NAME, items=[{"n": 1}, {"n": 2}], batch_id="b1")
    assert not again.created, "the same submission on another day is the same"


def test_it_knows_the_same_submission_by_what_it_means(register: Register) -> None:
    register(ReportForm)
    submitted(limit="10", since="2024-03-01")
    assert submitted(limit=Decimal("10"), since=date(2024, 3, 1), note="").pk == "b1"
    with pytest.raises(BatchConflict):
        submitted(limit="10.5", since="2024-03-01")


def test_it_names_every_option_and_parameter_that_is_wrong_at_once(register: Register) -> None:
    register(ReportForm)
    with pytest.raises(InvalidInput) as refused:
        operations.submit(processor=NAME, params={"limit": "x", "since": "y"}, items=[{"n": 1}], concurrency=0)
    assert set(refused.value.errors) == {"concurrency", "params.limit", "params.since"}
    with pytest.raises(InvalidInput) as refused:
        submitted(limit="1\x00", note=float("nan"), more=1)
    assert set(refused.value.errors) == {"params.more"}
    with pytest.raises(InvalidInput) as refused:
        submitted(limit="1\x00", note=float("nan"))
    assert set(refused.value.errors) == {"params.limit", "params.note"}
    assert not Batch.objects.exists()


def test_it_shows_what_concerns_all_parameters_as_such(register: Register) -> None:
    class Between(forms.Form):
        first, last = forms.IntegerField(), forms.IntegerField()

        def clean(self) -> None:
            if self.cleaned_data["first"] > self.cleaned_data["last"]:
                raise ValidationError("The first is after the last.")

    register(Between)
    with pytest.raises(InvalidInput, match="The first is after the last") as refused:
        submitted(first=2, last=1)
    assert set(refused.value.errors) == {"params"}


# -- what an item does to them -----------------------------------------------------------------------------------------


def test_it_hands_every_item_its_own_values(register: Register) -> None:
    class Form(forms.Form):
        product, options = forms.ModelChoiceField(Product.objects), forms.JSONField()

    def change(payload: Any, context: Any) -> dict[str, Any]:
        product, options = context.params["product"], context.params["options"]
        before = {"price": str(product.price), "n": options.get("n", 0)}
        product.price, options["n"] = 99, payload["n"]
        context.params["more"] = 1
        return before

    product = Product.objects.create(sku="A", price="1.00")
    register(Form, change)
    assert results(ran(submitted(product=product, options={"more": 1}))) == [{"price": "1.00", "n": 0}] * 2


# -- files -------------------------------------------------------------------------------------------------------------


def test_it_keeps_a_file_beside_the_batch_and_describes_it(register: Register) -> None:
    register(WithFile, lambda payload, context: {"rate": context.params["rates"].read().decode()})
    batch = ran(submitted(rates=rates()))
    assert results(batch) == [{"rate": "1.5"}] * 2
    described = client("viewer").get(f"/api/batches/{batch.pk}").json()["params"]["rates"]
    assert (described["filename"], described["bytes"]) == ("rates.txt", 3)
    assert b"1.5" not in json.dumps(described).encode()
    batch.delete()
    assert not ParameterFile.objects.exists()


def test_it_refuses_a_file_over_the_limit_and_a_text_for_a_file(register: Register) -> None:
    register(WithFile)
    for value, words in ((rates("x" * (1024 * 1024 + 1)), "larger than 1 MB"), ("rates.txt", "NAME=@FILE")):
        with pytest.raises(InvalidInput, match=words) as refused:
            submitted(rates=value)
        assert set(refused.value.errors) == {"params.rates"}
    body = {"processor": NAME, "params": {"rates": {"name": "a", "base64": "no!"}}, "items": [{"n": 1}]}
    answer = client("operator").post("/api/batches", body, format="json")
    assert (answer.status_code, answer.json()["errors"]) == (400, {"params.rates": ["Its content is not base64."]})
    assert not ParameterFile.objects.exists()


def test_it_tells_two_submissions_apart_by_their_files(register: Register) -> None:
    register(WithFile)
    submitted(rates=rates())
    assert submitted(rates=rates()).pk == "b1"
    with pytest.raises(BatchConflict):
        submitted(rates=rates("1.6"))


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


def test_it_fails_the_batch_in_words_and_no_item_when_the_form_has_changed(register: Register) -> None:
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


def test_it_fails_the_batch_when_the_form_breaks(register: Register) -> None:
    class Broken(forms.Form):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise LookupError("no such table of limits")

    register(ReportForm)
    batch = submitted(limit="10")
    register(Broken)
    assert ran(batch).status == "FAILED"
    assert "LookupError: no such table of limits" in batch.reason


def test_it_leaves_a_parameter_alone_that_the_form_no_longer_has(register: Register) -> None:
    register(ReportForm)
    batch = submitted(limit="10", note="why")
    register(type("Form", (forms.Form,), {"limit": forms.DecimalField()}), shown_params)
    assert results(ran(batch)) == [{"limit": repr(Decimal(10))}] * 2


def test_it_refuses_to_rehearse_and_cancels_a_rehearsal_whose_form_has_changed(register: Register) -> None:
    from batches.engine import rehearsals

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


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_it_masks_a_secret_however_the_processor_writes_it(register: Register) -> None:
    token = UUID("7f9c24e5-0ad3-4b7f-8f5f-2f1c3f3f9a01")

    def tell(payload: Any, context: Any) -> None:
        raise RuntimeError(f"refused {context.params['apiToken']}")

    register(ReportForm, tell)
    batch = ran(submitted(apiToken=token.hex))
    assert set(Item.objects.values_list("message", flat=True)) == {"refused [redacted]"}
    shown = client("viewer").get(f"/api/batches/{batch.pk}").json()["params"]
    assert shown["apiToken"] == "[redacted]"


# -- the page ----------------------------------------------------------------------------------------------------------


def test_it_labels_parameters_as_django_does(register: Register) -> None:
    register(ReportForm)
    browser = Client()
    browser.force_login(person("admin"))
    address = reverse("admin:batches_batch_new", args=[NAME])
    page = browser.get(address).content.decode()
    assert re.search(r">\s*Limit\s", page)
    assert re.search(r">\s*What for\s", page)
    assert "Params." not in page
    rows = SimpleUploadedFile("rows.csv", b"n\n1\n")
    body = {"file": rows, "concurrency": "x", "params.limit": "x", "params.since": "y"}
    page = browser.post(address, body).content.decode()
    for label, words in (
        ("Limit", "Enter a number."),
        ("Since", "Enter a valid date."),
        ("Concurrency", "Enter a whole"),
    ):
        assert f">{label}</a>: {words}" in page
    assert not Batch.objects.exists()
    batch = submitted(limit="10", note="why")
    page = browser.get(batch.get_absolute_url()).content.decode()
    assert "<summary>What for</summary>" in page
