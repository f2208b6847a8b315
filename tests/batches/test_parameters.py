"""Parameters are kept as they were given, and a processor gets what its form makes of them."""

from __future__ import annotations

import json
import re
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
from django.test import Client
from django.urls import reverse

from batches import operations
from batches.exceptions import BatchConflict, InvalidInput
from batches.models import Batch, Item, ParameterFile
from tests.helpers.people import client, person
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


# -- what was given, and what was not ----------------------------------------------------------------------------------


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
