"""A parameter's value as JSON, so that its form field reads the same value from it again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import repeat
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.dateparse import parse_datetime
from django.utils.duration import duration_string
from django.utils.functional import Promise

PLAIN = (bool, int, float, str, type(None))


class NoJsonValue(ValueError):
    """A value that has no JSON form; the message is for the person who gave it."""


def json_value(form_field: forms.Field | None, value: Any) -> Any:
    """The JSON of a value; `NoJsonValue` for one that has none, or that no database could store."""
    try:
        plain = plain_value(form_field, in_parts(form_field, value))
        text = json.dumps(plain, allow_nan=False, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        raise NoJsonValue("The text holds half a surrogate pair.") from None
    except NoJsonValue:
        raise
    except (ValueError, RecursionError):
        raise NoJsonValue("NaN, infinity and endless nesting are no JSON.") from None
    if "\\u0000" in text and has_null_character(plain):
        raise NoJsonValue("Null characters are not allowed.")
    return plain


def in_parts(form_field: forms.Field | None, value: Any) -> Any:
    """The list that a field of several fields reads, from the one value that they stand for."""
    if not isinstance(form_field, forms.MultiValueField) or value in (None, ""):
        return value
    if isinstance(value, (list, tuple)):
        if len(value) != 1 or len(form_field.fields) == 1:
            return value
        (value,) = value
    if isinstance(form_field, forms.SplitDateTimeField) and isinstance(value, str):
        value = parsed_moment(value)
    try:
        return form_field.widget.decompress(value)
    except Exception:
        raise NoJsonValue(f"Write a list of {len(form_field.fields)} values.") from None


def parsed_moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text.strip())
    except ValueError:
        moment = None
    if moment is None:
        raise NoJsonValue("Write a list of date and time, or both as 2024-12-31T23:59:00.")
    return moment


def plain_value(form_field: forms.Field | None, value: Any) -> Any:
    """A Python value as JSON has it: a date as a text, a row as its key."""
    if isinstance(value, Enum):
        value = value.value
    if type(value) in PLAIN:
        return value
    if isinstance(value, Model):
        return plain_value(None, model_key(form_field, value))
    if isinstance(value, (date, time)):
        return moment_text(form_field, value)
    if isinstance(value, timedelta):
        return duration_string(value)
    if isinstance(value, (Decimal, UUID, Promise, str)):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): plain_value(None, inner) for name, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        parts = getattr(form_field, "fields", None) or repeat(form_field)
        return [plain_value(part, inner) for part, inner in zip(parts, value, strict=False)]
    raise NoJsonValue(f"A value of type {type(value).__name__} cannot be kept.")


def model_key(form_field: forms.Field | None, row: Model) -> Any:
    """The key by which the field finds the row again."""
    prepare = getattr(form_field, "prepare_value", None)
    key = prepare(row) if prepare is not None else row.pk
    return row.pk if isinstance(key, Model) else key


def moment_text(form_field: forms.Field | None, value: date | time) -> str:
    """ISO 8601, or the first format of the field's own in which the field reads the same moment."""
    formats = [str(pattern) for pattern in getattr(form_field, "input_formats", None) or ()]
    texts = [value.isoformat(), *(value.strftime(pattern) for pattern in formats)]
    return next((text for text in texts if reads(form_field, text, value)), texts[0])


def reads(form_field: forms.Field | None, text: str, value: date | time) -> bool:
    try:
        return form_field is not None and form_field.to_python(text) == form_field.to_python(value)
    except (ValidationError, TypeError):
        return False


def has_null_character(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(has_null_character(inner) for inner in (*value, *value.values()))
    return isinstance(value, list) and any(has_null_character(inner) for inner in value)
