"""A REST route answers with and without a slash at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path


def route(address: str, view: Callable[..., Any], name: str) -> list[URLPattern]:
    """Only the form without the slash is named, shown in the OpenAPI document and linked to."""
    return [path(f"{address}/", view), path(address, view, name=name)]
