"""Every form field that Django has: what a person gives for it at each door, and what a processor must get."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from catalog.models import Product
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Model, QuerySet

HERE = Path(__file__).resolve().parent
SIZES = [("S", "Small"), ("M", "Medium"), ("L", "Large")]
CONTENT = b"sku,price\nA,1\n"
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADs=")
"""A GIF of one pixel."""


class Span(forms.MultiValueField):
    """Two whole numbers: how MultiValueField is used, which cleans nothing by itself."""

    def __init__(self, **options: Any) -> None:
        widget = forms.MultiWidget([forms.NumberInput, forms.NumberInput])
        super().__init__([forms.IntegerField(), forms.IntegerField()], widget=widget, **options)

    def compress(self, values: list[int]) -> tuple[int, int] | None:
        return (values[0], values[1]) if values else None


@dataclass(frozen=True)
class Case:
    """A field; what JSON, the command line (`--param value=…`, once for each) and a page's form give it; its value."""

    build: Any
    json: Any
    value: Any
    terminal: tuple[str, ...] = ()
    page: Mapping[str, Any] = field(default_factory=dict)
    part: Any = None
    """What a multipart request gives, if it is not JSON's."""


def simple(build: Any, json: Any, value: Any) -> Case:
    """One whose value is one text at every door but JSON's."""
    return Case(build, json, value, (str(json),), {"params.value": str(json)})


def at_doors(build: Any, text: str, value: Any) -> Case:
    return simple(build, text, value)


def catalog() -> QuerySet[Product]:
    return Product.objects.all()


def upload(content: bytes = CONTENT, name: str = "prices.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def as_json(content: bytes, name: str) -> dict[str, str]:
    return {"name": name, "base64": base64.b64encode(content).decode()}


SEVERAL = {"params.value": ["S", "L"]}
CASES: dict[type[forms.Field], Case] = {
    forms.Field: at_doors(lambda: forms.Field(), "as it is", "as it is"),
    forms.CharField: at_doors(lambda: forms.CharField(), "two words", "two words"),
    forms.RegexField: at_doors(lambda: forms.RegexField(r"\A[A-Z]{2}\Z"), "DE", "DE"),
    forms.SlugField: at_doors(lambda: forms.SlugField(), "two-words", "two-words"),
    forms.EmailField: at_doors(lambda: forms.EmailField(), "ana@example.com", "ana@example.com"),
    forms.URLField: at_doors(
        lambda: forms.URLField(assume_scheme="https"), "https://example.com/a", "https://example.com/a"
    ),
    forms.UUIDField: at_doors(
        lambda: forms.UUIDField(), "7f9c24e5-0ad3-4b7f-8f5f-2f1c3f3f9a01", UUID("7f9c24e5-0ad3-4b7f-8f5f-2f1c3f3f9a01")
    ),
    forms.GenericIPAddressField: at_doors(lambda: forms.GenericIPAddressField(), "10.0.0.7", "10.0.0.7"),
    forms.IntegerField: simple(lambda: forms.IntegerField(), 7, 7),
    forms.FloatField: simple(lambda: forms.FloatField(), 2.5, 2.5),
    forms.DecimalField: at_doors(lambda: forms.DecimalField(max_digits=20), "1234567890.10", Decimal("1234567890.10")),
    forms.DateField: at_doors(lambda: forms.DateField(), "2024-02-29", date(2024, 2, 29)),
    forms.TimeField: at_doors(lambda: forms.TimeField(), "23:59:07", time(23, 59, 7)),
    forms.DateTimeField: at_doors(
        lambda: forms.DateTimeField(), "2024-02-29T23:59:07Z", datetime(2024, 2, 29, 23, 59, 7, tzinfo=UTC)
    ),
    forms.DurationField: at_doors(lambda: forms.DurationField(), "1 02:00:00", timedelta(days=1, hours=2)),
    forms.BooleanField: Case(lambda: forms.BooleanField(), True, True, ("true",), {"params.value": "on"}),
    forms.NullBooleanField: Case(lambda: forms.NullBooleanField(), False, False, ("false",), {"params.value": "false"}),
    forms.ChoiceField: at_doors(lambda: forms.ChoiceField(choices=SIZES), "M", "M"),
    forms.TypedChoiceField: simple(lambda: forms.TypedChoiceField(choices=[(1, "one"), (2, "two")], coerce=int), 2, 2),
    forms.MultipleChoiceField: Case(
        lambda: forms.MultipleChoiceField(choices=SIZES), ["S", "L"], ["S", "L"], ("S", "L"), SEVERAL
    ),
    forms.TypedMultipleChoiceField: Case(
        lambda: forms.TypedMultipleChoiceField(choices=[(1, "one"), (2, "two")], coerce=int),
        [1, 2],
        [1, 2],
        ("1", "2"),
        {"params.value": ["1", "2"]},
    ),
    forms.FilePathField: at_doors(
        lambda: forms.FilePathField(path=str(HERE), match=r"\Aform_fields\.py\Z"),
        str(HERE / "form_fields.py"),
        str(HERE / "form_fields.py"),
    ),
    forms.ComboField: at_doors(
        lambda: forms.ComboField(fields=[forms.CharField(max_length=20), forms.EmailField()]),
        "ana@example.com",
        "ana@example.com",
    ),
    forms.MultiValueField: Case(
        lambda: Span(), [1, 20], (1, 20), ("1", "20"), {"params.value_0": "1", "params.value_1": "20"}
    ),
    forms.SplitDateTimeField: Case(
        lambda: forms.SplitDateTimeField(),
        ["2024-02-29", "23:59:07"],
        datetime(2024, 2, 29, 23, 59, 7, tzinfo=UTC),
        ("2024-02-29 23:59:07",),
        {"params.value_0": "2024-02-29", "params.value_1": "23:59:07"},
    ),
    forms.JSONField: Case(
        lambda: forms.JSONField(),
        {"limits": [1, 2.5, None]},
        {"limits": [1, 2.5, None]},
        ('{"limits": [1, 2.5, null]}',),
        {"params.value": '{"limits": [1, 2.5, null]}'},
    ),
    forms.FileField: Case(
        lambda: forms.FileField(),
        as_json(CONTENT, "prices.csv"),
        ("prices.csv", CONTENT),
        ("@prices.csv",),
        {"params.value": upload},
        upload,
    ),
    forms.ImageField: Case(
        lambda: forms.ImageField(),
        as_json(PIXEL, "pixel.gif"),
        ("pixel.gif", PIXEL),
        ("@pixel.gif",),
        {"params.value": lambda: upload(PIXEL, "pixel.gif")},
        lambda: upload(PIXEL, "pixel.gif"),
    ),
    forms.ModelChoiceField: simple(lambda: forms.ModelChoiceField(catalog()), 2, "B"),
    forms.ModelMultipleChoiceField: Case(
        lambda: forms.ModelMultipleChoiceField(catalog()), [1, 2], ["A", "B"], ("1", "2"), {"params.value": ["1", "2"]}
    ),
}


def all_fields() -> list[type[forms.Field]]:
    """Every field class that `django.forms` offers."""
    kinds = {kind for kind in vars(forms).values() if isinstance(kind, type) and issubclass(kind, forms.Field)}
    return sorted(kinds, key=lambda kind: kind.__name__)


def seen(value: Any) -> Any:
    """A cleaned value as the case names it: of rows their sku, of a file its name and content."""
    if isinstance(value, QuerySet):
        return [row.sku for row in value.order_by("sku")]
    if isinstance(value, Model):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return (value.name, value.read()) if hasattr(value, "read") else value
