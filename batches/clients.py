"""Who sent a request may leave before it is answered: what they were told was not taken is not to be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HAS_LEFT = "batchportal.has_left"
"""In a scope's extensions: whether the connection is gone, for servers that can tell."""


def stays() -> bool:
    """Whether a client has left that cannot, as a command of this process."""
    return False


def leaving(request: Any) -> Callable[[], bool]:
    """Asks whether the sender of the request has left meanwhile; a request of REST or of Django."""
    scope: dict[str, Any] = getattr(getattr(request, "_request", request), "scope", {})
    has_left: Callable[[], bool] = scope.get("extensions", {}).get(HAS_LEFT, stays)
    return has_left
