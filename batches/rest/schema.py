"""The OpenAPI document: what drf-spectacular cannot find out by itself."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from django import forms
from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter

from batches import processors

Schema = dict[str, Any]
PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    dict: {"type": "object", "additionalProperties": {}},
    list: {"type": "array", "items": {}},
    Any: {},
}
PARAMS: tuple[tuple[type[forms.Field], Schema], ...] = (
    (forms.FloatField, {"type": "number"}),
    (forms.DecimalField, {"type": "number"}),
    (forms.IntegerField, {"type": "integer"}),
    (forms.NullBooleanField, {"type": "boolean", "nullable": True}),
    (forms.BooleanField, {"type": "boolean"}),
    (forms.DateTimeField, {"type": "string", "format": "date-time"}),
    (forms.MultipleChoiceField, {"type": "array"}),
    (forms.JSONField, {}),
)
"""Form fields whose values are not text; the first kind that fits decides."""
LIMITS = {"max_length": "maxLength", "min_length": "minLength", "max_value": "maximum", "min_value": "minimum"}
PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457 problem document",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        "current_status": {
            "type": "string",
            "description": "The status of the batch, or the state of the error group, in which the verb is illegal.",
        },
    },
    "required": ["type", "title", "status", "detail"],
}


class PortalSchema(AutoSchema):
    """Every operation may answer a problem document, and every POST may be given an idempotency key."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Schema:
        bodies: Schema = super()._get_response_bodies(direction)
        problem = ResolvedComponent(  # type: ignore[no-untyped-call]
            name="Problem", type=ResolvedComponent.SCHEMA, object="Problem", schema=PROBLEM
        )
        self.registry.register_on_missing(problem)
        content = {"application/problem+json": {"schema": problem.ref}}
        return bodies | {"default": {"description": "Refused, and why.", "content": content}}

    def get_override_parameters(self) -> list[Any]:
        if self.method != "POST":
            return []
        description = "The same key and body answer the first response again, for 24 hours."
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
        return [OpenApiParameter("Idempotency-Key", schema, OpenApiParameter.HEADER, description=description)]


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie, as the document names it."""

    target_class = "batches.rest.permissions.PortalSessionAuthentication"
    name = "cookieAuth"

    def get_security_definition(self, auto_schema: AutoSchema) -> Schema:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


def without_trailing_slashes(endpoints: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The slash at the end is optional; the document shows each route once, without."""
    return [endpoint for endpoint in endpoints if not endpoint[0].endswith("/")]


def schema_of(record: type) -> Schema:
    """The schema of a dataclass, field by field."""
    hints = get_type_hints(record)
    names = [field.name for field in fields(record)]
    return {"type": "object", "properties": {name: schema_of_type(hints[name]) for name in names}, "required": names}


def schema_of_type(hint: Any) -> Schema:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (some,) = [part for part in inner if part is not type(None)]
        return schema_of_type(some) | {"nullable": True}
    if origin is list:
        return {"type": "array", "items": schema_of_type(inner[0])}
    return PLAIN[dict] if origin is dict else PLAIN[hint]


def params_schema(processor: processors.Processor) -> Schema:
    """The parameters of a processor, from its form."""
    form_fields = processor.params.base_fields if processor.params else {}
    return {
        "type": "object",
        "title": processor.name,
        "description": processor.description,
        "properties": {name: param_schema(field) for name, field in form_fields.items()},
        "required": [name for name, field in form_fields.items() if field.required],
        "additionalProperties": False,
    }


def param_schema(field: forms.Field) -> Schema:
    """One form field: its kind, limits, choices and words."""
    words = {"title": field.label and str(field.label), "description": str(field.help_text), "default": field.initial}
    limits = {limit: getattr(field, name, None) for name, limit in LIMITS.items()}
    given = {name: value for name, value in (words | limits).items() if value not in (None, "") and not callable(value)}
    return with_choices(kind_of(field) | given, [str(value) for value, _ in getattr(field, "choices", None) or ()])


def with_choices(schema: Schema, choices: list[str]) -> Schema:
    if not choices:
        return schema
    choice = {"type": "string", "enum": choices}
    return schema | ({"items": choice} if schema.get("type") == "array" else choice)


def kind_of(field: forms.Field) -> Schema:
    return next((dict(kind) for form, kind in PARAMS if isinstance(field, form)), {"type": "string"})


def any_params() -> Schema:
    """Parameters of whichever processor is named."""
    return {"anyOf": [params_schema(processor) for processor in processors.all_processors()]}
