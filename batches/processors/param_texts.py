"""Parameters from doors that know only texts and files: `--param NAME=VALUE`, parts of a form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from batches.exceptions import InvalidInput
from batches.processors import Processor


def values_of(processor: Processor, given: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """A value for each name: a list where the field takes several, also one written as JSON; else the only one.

    `InvalidInput` names what was given twice and takes one value. Names that the processor does not have pass.
    """
    fields = processor.param_fields()
    several = {name: takes_several(field) for name, field in fields.items()}
    twice = [name for name, values in given.items() if len(values) > 1 and not several.get(name)]
    if twice:
        errors = {f"params.{name}": ["It takes one value."] for name in twice}
        raise InvalidInput(f"params.{twice[0]} is given {len(given[twice[0]])} times; it takes one value.", errors)
    return {name: listed(values) if several.get(name) else values[0] for name, values in given.items()}


def takes_several(field: forms.Field) -> bool:
    if isinstance(field, (forms.MultiValueField, forms.MultipleChoiceField, forms.ModelMultipleChoiceField)):
        return True
    return bool(getattr(field.widget, "allow_multiple_selected", False))


def listed(values: Sequence[Any]) -> Any:
    """All values; one text that is a JSON list stands for its members, and any other single text for itself."""
    if len(values) > 1 or not isinstance(values[0], str):
        return list(values)
    try:
        members = json.loads(values[0]) if values[0].lstrip().startswith("[") else None
    except ValueError:
        members = None
    return members if isinstance(members, list) else list(values)
