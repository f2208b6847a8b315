"""The parameters of a processor as JSON Schema, from the fields of its form."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from drf_spectacular.extensions import OpenApiSerializerFieldExtension

from batches import processors
from batches.processors.json_values import NoJsonValue, json_value

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
FILE: Schema = {
    "type": "object",
    "description": "In a multipart form: a part called params.NAME.",
    "properties": {"name": TEXT, "base64": {"type": "string", "format": "byte"}},
    "required": ["name", "base64"],
    "additionalProperties": False,
}
LIMITS = {"max_length": "maxLength", "min_length": "minLength", "max_value": "maximum", "min_value": "minimum"}


def decimal(field: Any) -> Schema:
    """Exact as a text; a JSON number goes through binary floating point first."""
    return {"oneOf": [{"type": "string", "format": "decimal"}, {"type": "number"} | limits(field)]}


def several(field: Any) -> Schema:
    return {"type": "array", "items": one_of(field)}


def row_key(field: Any) -> Schema:
    return {"oneOf": [TEXT, {"type": "integer"}]}


def parts(field: Any) -> Schema:
    """A list with a value for each of its fields."""
    inner = [schema_of_field(part) for part in field.fields]
    listed: Schema = {"type": "array", "items": {"anyOf": inner}, "minItems": len(inner), "maxItems": len(inner)}
    if isinstance(field, forms.SplitDateTimeField):
        return {"oneOf": [listed, {"type": "string", "format": "date-time"}]}
    return listed


def one_of(field: Any) -> Schema:
    """Of a field that has no choices here nothing can be given, which a schema has no word for: any text."""
    values = [str(value) for value in choice_values(field.choices)]
    return TEXT | ({"enum": values} if values else {})


def choice_values(choices: Iterable[Any]) -> Iterable[Any]:
    """The values of choices, of those in groups, too."""
    for value, label in choices:
        if isinstance(label, (list, tuple)):
            yield from choice_values(label)
        else:
            yield value


def of_format(name: str) -> Callable[[Any], Schema]:
    return lambda field: TEXT | {"format": name}


KINDS: dict[type[forms.Field], Callable[[Any], Schema]] = {
    forms.FloatField: lambda field: {"type": "number"} | limits(field),
    forms.DecimalField: decimal,
    forms.IntegerField: lambda field: {"type": "integer"} | limits(field),
    forms.NullBooleanField: lambda field: {"type": "boolean", "nullable": True},
    forms.BooleanField: lambda field: {"type": "boolean"},
    forms.DateTimeField: of_format("date-time"),
    forms.DateField: of_format("date"),
    forms.TimeField: of_format("time"),
    forms.DurationField: of_format("duration"),
    forms.UUIDField: of_format("uuid"),
    forms.EmailField: of_format("email"),
    forms.URLField: of_format("uri"),
    forms.MultiValueField: parts,
    forms.ModelMultipleChoiceField: lambda field: {"type": "array", "items": row_key(field)},
    forms.ModelChoiceField: row_key,
    forms.MultipleChoiceField: several,
    forms.ChoiceField: one_of,
    forms.FileField: lambda field: dict(FILE),
    forms.JSONField: lambda field: {},
}
"""Form fields whose values are not just text; the nearest of a field's classes decides."""


def params_schema(processor: processors.Processor) -> Schema:
    """All parameters of a processor; what is missing is as the form has it at first."""
    fields, labels = processor.param_fields(), processor.param_labels()
    required = [name for name, field in fields.items() if field.required and field.initial is None]
    return {
        "type": "object",
        "title": processor.name,
        "description": processor.description,
        "properties": {name: described(field, labels[name]) for name, field in fields.items()},
        "additionalProperties": False,
    } | ({"required": required} if required else {})


def described(field: forms.Field, label: str) -> Schema:
    """One field: its label, help and default beside what its values are."""
    words = {"title": label, "description": str(field.help_text)}
    default = {} if callable(field.initial) or field.initial is None else default_of(field)
    return schema_of_field(field) | {name: text for name, text in words.items() if text} | default


def default_of(field: forms.Field) -> Schema:
    try:
        return {"default": json_value(field, field.initial)}
    except NoJsonValue:
        return {}


def schema_of_field(field: forms.Field) -> Schema:
    kind = next((KINDS[base] for base in type(field).__mro__ if base in KINDS), None)
    return TEXT | limits(field) if kind is None else kind(field)


def limits(field: forms.Field) -> Schema:
    values = {limit: getattr(field, name, None) for name, limit in LIMITS.items()}
    return {limit: number(value) for limit, value in values.items() if value is not None and not callable(value)}


def number(value: Any) -> Any:
    return value if isinstance(value, int) else float(value)


def any_params() -> Schema:
    """Parameters of whichever processor is named."""
    return {"anyOf": [params_schema(processor) for processor in processors.all_processors()]}


class DescribedParams(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Parameters by processor, as they are registered when the document is asked for."""

    target_class = "batches.rest.requests.ParamsField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return any_params()
