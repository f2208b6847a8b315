"""The static files of the apps, listed once for all test clients of a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def listed_once(add_files: Callable[[Any], None]) -> Callable[[Any], None]:
    """In place of `WhiteNoiseMiddleware.add_files_from_finders`: what it adds is kept by their address."""
    remembered: dict[str, dict[str, Any]] = {}

    def add_remembered(middleware: Any) -> None:
        prefix, others = middleware.static_prefix, middleware.files
        if prefix not in remembered:
            middleware.files = {}
            add_files(middleware)
            remembered[prefix] = middleware.files
        middleware.files = {**others, **remembered[prefix]}

    return add_remembered
