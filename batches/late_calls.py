"""Functions named by where they are, whose modules are imported with the first call: for what few processes do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.module_loading import import_string


def late(path: str) -> Callable[..., Any]:
    """The function at that dotted path, as something that can be called before its module is imported."""

    def call(*arguments: Any, **named: Any) -> Any:
        return import_string(path)(*arguments, **named)

    call.__name__, call.__qualname__ = path.rpartition(".")[2], path
    return call
