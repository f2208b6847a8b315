"""`import_rows`: each row into a table of this portal's database, created or changed by its key field."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.forms import modelform_factory

from batches.processors import Context, ItemError, SkipItem, processor
from batches.processors.import_dates import HELP as DATES_HELP
from batches.processors.import_dates import (
    DateOrdersField,
    ask_for_orders,
    date_columns,
    is_ambiguous_date,
    order_of,
    orders_in,
    year_first,
)
from batches.processors.importable_models import listed, model_of, unique_fields, writable_fields

MODES = (
    ("upsert", "Make new rows, change those that are there"),
    ("create", "Make new rows; one that is there is skipped"),
    ("update", "Change rows that are there; a new one is skipped"),
)
TRUTH = {
    **dict.fromkeys(
        ("true", "t", "yes", "y", "on", "1", "1.0", "wahr", "ja", "vrai", "oui", "verdadero", "sí", "vero"), True
    ),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0", "0.0", "falsch", "nein", "faux", "non", "falso"), False),
}
"""How people and their spreadsheets write truth values."""


def importable() -> list[tuple[str, str]]:
    """The models `PORTAL_IMPORT_MODELS` lists, as choices."""
    return [(name, str(model_of(name)._meta.verbose_name_plural).capitalize()) for name in listed()]


class ImportRowsForm(forms.Form):
    """The table into which the rows go, and the field by which a row is known."""

    model = forms.ChoiceField(choices=importable, help_text="The table; PORTAL_IMPORT_MODELS lists those allowed.")
    key_field = forms.CharField(
        max_length=100, help_text="The model's unique field that says which row is meant; also a column of the file."
    )
    mode = forms.ChoiceField(choices=MODES, initial="upsert", required=False)
    dates = DateOrdersField(required=False, max_length=2_000, help_text=DATES_HELP)

    def clean_mode(self) -> str:
        return self.cleaned_data["mode"] or "upsert"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "model" in cleaned and "key_field" in cleaned:
            names = unique_fields(cleaned["model"])
            if cleaned["key_field"] not in names:
                message = f"{cleaned['key_field']!r} is no unique field of {cleaned['model']}"
                self.add_error("key_field", f"{message}; it has: {', '.join(names) or 'none that may be imported'}.")
        if "model" in cleaned:
            self.refuse_strange_dates(cleaned["model"], orders_in(cleaned.get("dates", "")))
        return cleaned

    def refuse_strange_dates(self, model: str, orders: dict[str, str]) -> None:
        names = date_columns(model)
        for strange in orders.keys() - {"", *names}:
            self.add_error("dates", f"{model} has no date {strange!r}; it has: {', '.join(names) or 'none'}.")


@processor("import_rows", params=ImportRowsForm, max_attempts=3, look_at_rows=ask_for_orders)
def import_rows(payload: dict[str, Any], context: Context) -> dict[str, Any]:
    """Write each row into a table, by its key field, with every check its model has."""
    params = context.params
    if params["model"] not in listed():
        raise ItemError(f"{params['model']} is not one of PORTAL_IMPORT_MODELS.", code="MODEL_NOT_ALLOWED")
    model, key_field = model_of(params["model"]), params["key_field"]
    refuse_strange_columns(params["model"], payload, key_field)
    try:
        with transaction.atomic():
            return stored(model, payload, params)
    except IntegrityError:
        # Another lane created the row between our look and our write: now it is there to be changed.
        return stored(model, payload, params)


def stored(model: type[models.Model], payload: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    key_field, mode = params["key_field"], params["mode"]
    existing = find(model, key_field, payload[key_field])
    if existing is None and mode == "update":
        raise SkipItem(f"There is no row with {key_field} {payload[key_field]!r}.")
    if existing is not None and mode == "create":
        raise SkipItem(f"A row with {key_field} {payload[key_field]!r} is there already.")
    names = [name for name in payload if model._meta.get_field(name).editable]
    form = form_of(model, tuple(names))(
        data=with_meanings(model, payload, names, params.get("dates", "")), instance=existing
    )
    if not form.is_valid():
        raise refused(form)
    row = form.save()
    return {"pk": str(row.pk), "created": existing is None}


def with_meanings(model: type[models.Model], payload: dict[str, Any], names: list[str], dates: str) -> dict[str, Any]:
    """The payload with the truth values and dates that its columns mean. A form would take any text for a box that is
    ticked, and a date of two small numbers for an American one: such cells are faults of the row, unless it was said
    in `dates` what comes first in the column."""
    values, faults = dict(payload), {}
    for name in names:
        field, value = model._meta.get_field(name), payload[name]
        if isinstance(field, models.BooleanField):
            values[name] = truth_of(value)
            if values[name] is None and not (field.null and value in (None, "")):
                faults[name] = f"{name}: {value!r} is neither true nor false."
        elif isinstance(field, models.DateField) and (order := order_of(dates, name)):
            values[name] = year_first(value, order)
        elif isinstance(field, models.DateField) and is_ambiguous_date(value):
            faults[name] = f"{name}: {value!r} is one of two dates. Write it as 2026-12-31."
    if faults:
        message = "; ".join(faults.values())
        raise ItemError(message, code="VALIDATION_FAILED", category="validation", fields=tuple(faults))
    return values


def truth_of(value: Any) -> bool | None:
    return TRUTH.get(str(value).strip().casefold())


def find(model: type[models.Model], key_field: str, value: Any) -> models.Model | None:
    """The row of that key, locked; a value its field cannot hold is a fault of the row."""
    try:
        key = model._meta.get_field(key_field).to_python(value)  # type: ignore[union-attr]
    except ValidationError as error:
        raise ItemError(
            f"{key_field}: {' '.join(error.messages)}", code="VALIDATION_FAILED", category="validation", field=key_field
        ) from None
    return model._default_manager.select_for_update().filter(**{key_field: key}).first()


@lru_cache(maxsize=64)
def form_of(model: type[models.Model], names: tuple[str, ...]) -> type[forms.ModelForm[Any]]:
    return modelform_factory(model, fields=names)


def refuse_strange_columns(name: str, payload: dict[str, Any], key_field: str) -> None:
    fields = writable_fields(name, key_field)
    strange = tuple(column for column in payload if column not in fields)
    if strange:
        message = f"{name} has no field {strange[0]!r} to import; it has: {', '.join(sorted(fields))}."
        raise ItemError(message, code="VALIDATION_FAILED", category="validation", fields=strange)
    if payload.get(key_field) in (None, ""):
        message = f"The row has no {key_field}."
        raise ItemError(message, code="VALIDATION_FAILED", category="validation", field=key_field)


def refused(form: forms.ModelForm[Any]) -> ItemError:
    """All faults of the row at once."""
    faults = {name: " ".join(str(message) for message in messages) for name, messages in form.errors.items()}
    text = "; ".join(f"{'row' if name == '__all__' else name}: {message}" for name, message in sorted(faults.items()))
    fields = tuple(name for name in sorted(faults) if name != "__all__")
    return ItemError(text, code="VALIDATION_FAILED", category="validation", fields=fields)
