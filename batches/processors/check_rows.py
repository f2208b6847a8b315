"""`check_rows`: every row against a JSON Schema; nothing is written, what is wrong is reported."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from batches.processors import Context, ItemError, processor

MAX_SCHEMA = 256 * 1024
SHOWN_FAULTS = 20
VALUE_LENGTH = 60


class CheckRowsForm(forms.Form):
    """The schema, as text."""

    schema = forms.CharField(
        label="JSON Schema",
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
        max_length=MAX_SCHEMA,
        help_text="Each row is checked against this schema. References to other documents are refused.",
    )

    def clean_schema(self) -> str:
        text: str = self.cleaned_data["schema"]
        try:
            validator_of(text)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "message", "") or str(error) or "it is nested too deeply."
            raise ValidationError(f"This is not a usable JSON Schema: {reason}") from None
        return text


@lru_cache(maxsize=16)
def validator_of(text: str) -> Any:
    """The compiled validator of a schema; `ValueError` says what is wrong with it."""
    import jsonschema_rs  # with the first schema, not with every process

    schema = json.loads(text)
    if not isinstance(schema, (dict, bool)):
        raise ValueError("the schema must be a JSON object.")
    return jsonschema_rs.validator_for(schema, validate_formats=True, retriever=refuse_reference)


def refuse_reference(uri: str) -> Any:
    """A schema must stand by itself: nothing is fetched while rows are checked."""
    raise ValueError(f"it refers to {uri}, and other documents are not read.")


@processor("check_rows", params=CheckRowsForm, max_attempts=1)
def check_rows(payload: dict[str, Any], context: Context) -> None:
    """Check each row against a JSON Schema and report all its faults at once."""
    validator = validator_of(context.params["schema"])
    if validator.is_valid(payload):
        return
    faults = sorted(faults_of(validator, payload))
    fields = tuple(dict.fromkeys(field for field, _ in faults if field))
    lines = [f"{field or 'row'}: {message}" for field, message in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        lines.append(f"and {len(faults) - SHOWN_FAULTS} more")
    raise ItemError("; ".join(lines), code="VALIDATION_FAILED", category="validation", fields=fields)


def faults_of(validator: Any, payload: dict[str, Any]) -> list[tuple[str, str]]:
    """(field, message) of every fault; a missing or unexpected field is named itself, not its parent."""
    faults: set[tuple[str, str]] = set()
    for error in validator.iter_errors(payload):
        path = ".".join(str(part) for part in error.instance_path)
        faults.add((path or missing_field(error.message), shortened(error.message)))
    return list(faults)


def missing_field(message: str) -> str:
    """`state` of '"state" is a required property'."""
    name, is_missing, _ = message.partition('" is a required property')
    return name.lstrip('"') if is_missing else ""


def shortened(message: str) -> str:
    """A value of a long cell is cut, so that the message stays readable."""
    return message if len(message) <= 4 * VALUE_LENGTH else f"{message[: 4 * VALUE_LENGTH]}…"
