"""Parameters of every kind of form field, through every door: what a processor gets is what the field means.

`pytest -s tests/batches/test_parameter_fields.py` prints the matrix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from catalog.models import Product
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from batches import operations
from batches.engine import runner
from batches.exceptions import InvalidInput
from batches.models import Batch, Item
from tests.helpers.form_fields import CASES, CONTENT, PIXEL, Case, all_fields, seen
from tests.helpers.people import client, person
from tests.helpers.with_params import NAME, Register

pytestmark = [pytest.mark.any_database, pytest.mark.usefixtures("engine", "shop", "impatient")]
PILLOW = find_spec("PIL") is not None
ROW = r"^\| `(\w+)` \| `(.*)` \| (.*) \| .* \|$"


@pytest.fixture
def shop(engine: None, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two products, and a directory with two files and a row."""
    for pk, sku in ((1, "A"), (2, "B")):
        Product.objects.create(pk=pk, sku=sku, price=10)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prices.csv").write_bytes(CONTENT)
    (tmp_path / "pixel.gif").write_bytes(PIXEL)
    (tmp_path / "rows.csv").write_text("n\n1\n2\n")


def form_with(field: forms.Field) -> type[forms.Form]:
    return type("ValueForm", (forms.Form,), {"value": field})


def note(payload: dict[str, Any], context: Any) -> dict[str, str]:
    return {"seen": repr(seen(context.params["value"]))}


# -- the doors ---------------------------------------------------------------------------------------------------------


def by_page(case: Case) -> Batch:
    browser = Client()
    browser.force_login(person("admin"))
    rows = SimpleUploadedFile("rows.csv", b"n\n1\n2\n")
    given = {name: value() if callable(value) else value for name, value in case.page.items()}
    answer = browser.post(reverse("admin:batches_batch_new", args=[NAME]), {"file": rows, "id": "page", **given})
    assert answer.status_code == 302, answer.context["form"].errors
    return operations.get_batch("page")


def by_json(case: Case) -> Batch:
    body = {"processor": NAME, "id": "json", "params": {"value": case.json}, "items": [{"n": 1}, {"n": 2}]}
    return accepted(client("operator").post("/api/batches", body, format="json"))


def by_multipart(case: Case) -> Batch:
    rows = SimpleUploadedFile("rows.csv", b"n\n1\n2\n")
    part = case.part() if case.part else case.terminal
    body = {"processor": NAME, "id": "multipart", "file": rows, "params.value": part}
    return accepted(client("operator").post("/api/batches", body, format="multipart"))


def accepted(answer: Any) -> Batch:
    assert answer.status_code == 201, answer.content
    return operations.get_batch(answer.json()["id"])


def by_command_line(case: Case) -> Batch:
    given = [argument for text in case.terminal for argument in ("--param", f"value={text}")]
    with pytest.raises(SystemExit) as ended:
        call_command("batch", "run", NAME, "rows.csv", "--id", "cli", *given)
    assert ended.value.code == 0
    return operations.get_batch("cli")


def by_python(case: Case) -> Batch:
    value: Any = case.value
    if isinstance(value, tuple) and isinstance(value[-1], bytes):
        value = SimpleUploadedFile(*value)
    elif case.json == 2 and value == "B":
        value = Product.objects.get(sku=value)
    elif value == ["A", "B"]:
        value = Product.objects.filter(sku__in=value)
    elif isinstance(value, tuple):
        value = list(value)
    return operations.submit(processor=NAME, params={"value": value}, items=[{"n": 1}, {"n": 2}], batch_id="py").batch


DOORS: dict[str, Callable[[Case], Batch]] = {
    "page": by_page,
    "REST, JSON": by_json,
    "REST, multipart": by_multipart,
    "command line": by_command_line,
    "Python": by_python,
}


def received(door: str, case: Case) -> set[str]:
    """What the items of a batch that came through that door have got."""
    batch = DOORS[door](case)
    if batch.status == "PENDING":
        operations.start(batch.pk)
    runner.work_until_idle(batch.pk)
    items = Item.objects.filter(batch=batch)
    assert not items.exclude(status="SUCCEEDED").exists(), list(items.values_list("status", "message"))
    assert operations.verify(batch.pk) == []
    return {result["seen"] for result in items.values_list("result", flat=True)}


Matrix = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    """Field -> door -> what the processor got; printed at the end, which `-s` shows."""
    table: Matrix = {}
    yield table
    for field, doors in table.items():
        same = len(set(doors.values())) == 1
        print(f"{field:<26}", next(iter(doors.values())) if same else doors, f"({len(doors)} doors)")


# -- the matrix --------------------------------------------------------------------------------------------------------


def test_it_knows_every_field_that_django_has() -> None:
    assert set(all_fields()) == set(CASES)


OFTEN = (
    "Boolean",
    "Char",
    "DateTime",
    "Decimal",
    "Duration",
    "File",
    "JSON",
    "ModelMultipleChoice",
    "MultiValue",
    "Typed",
)
"""Fields that differ in how a door gives them; of the others `make test` draws a tenth."""


def drawn(kind: type[forms.Field]) -> Any:
    often = kind.__name__.startswith(OFTEN)
    return pytest.param(kind, id=kind.__name__, marks=() if often else pytest.mark.full)


@pytest.mark.parametrize("kind", [drawn(kind) for kind in all_fields()])
@pytest.mark.full
def test_it_hands_a_processor_what_the_field_means_at_every_door(
    register: Register, matrix: Matrix, kind: type[forms.Field]
) -> None:
    case = CASES[kind]
    register(form_with(case.build()), note)
    if kind is forms.ImageField and not PILLOW:
        matrix[kind.__name__] = dict.fromkeys(DOORS, "refused: no Pillow")
        pytest.skip("Pillow is not installed; the refusal has a test of its own")
    got = {door: received(door, case) for door in DOORS}
    matrix[kind.__name__] = {door: " ".join(values) for door, values in got.items()}
    assert got == {door: {repr(case.value)} for door in DOORS}


def test_it_is_documented_as_it_is_tested() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "parameters.md").read_text()
    rows = {name: (in_json, terminal) for name, in_json, terminal in re.findall(ROW, page, re.MULTILINE)}
    assert set(rows) == {kind.__name__ for kind in CASES}
    for kind in CASES.keys() - {forms.FilePathField}:
        in_json, terminal = rows[kind.__name__]
        content = CASES[kind].json.get("base64") if issubclass(kind, forms.FileField) else None
        assert json.loads(in_json.replace("…", content or "…")) == CASES[kind].json
        assert tuple(re.findall(r"`(.*?)`", terminal)) == CASES[kind].terminal


def test_it_says_that_an_image_needs_pillow(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batches.processors.parameters.find_spec", lambda name: None)
    case = CASES[forms.ImageField]
    register(form_with(case.build()), note)
    with pytest.raises(InvalidInput, match="Pillow is not installed") as refused:
        by_python(case)
    assert list(refused.value.errors) == ["params.value"]
    assert not Batch.objects.exists()
