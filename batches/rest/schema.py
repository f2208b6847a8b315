"""The OpenAPI document: what drf-spectacular cannot find out by itself."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter

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

    def get_operation_id(self) -> str:
        """A view whose verb has the same words as that of another says by `operation_name` what it is about."""
        operation_id: str = super().get_operation_id()  # type: ignore[no-untyped-call]
        name = getattr(self.view, "operation_name", "")
        return f"{operation_id.removesuffix('_create')}_{name}_create" if name else operation_id

    def get_filter_backends(self) -> list[Any]:
        """Only views that list rows of a query can filter them."""
        return super().get_filter_backends() if hasattr(self.view, "get_queryset") else []  # type: ignore[no-untyped-call]

    def get_override_parameters(self) -> list[Any]:
        if self.method != "POST" or not getattr(self.view, "takes_idempotency_key", True):
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


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The header with a token, as the document names it."""

    target_class = "batches.rest.permissions.TokenAuthentication"
    name = "tokenAuth"

    def get_security_definition(self, auto_schema: AutoSchema) -> Schema:
        described = "`Token ` and the token, as it was shown when it was made."
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": described}


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
    if is_dataclass(hint):
        return schema_of(hint)  # type: ignore[arg-type]
    return PLAIN[dict] if origin is dict else PLAIN[hint]
