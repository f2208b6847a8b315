"""HTTP to other systems, guarded against being sent where it must not go (server-side request forgery) and against
answers that attack.

Hosts are allow-listed by `PORTAL_OUTBOUND_HOSTS`: `api.example.com`, `*.example.com`, `10.0.0.7:8080`, or `*` for any
public one. Names are resolved here and the address that is checked is the one connected to, at every attempt and every
redirect. An address that is not public is refused, unless its host stands on the list by its full name.
Source: OWASP Server-Side Request Forgery Prevention Cheat Sheet.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from batches.outbound.bodies import MAX_BODY
from batches.outbound.hosts import checked_url, meaningless_entries, origin_of, refuse_unlisted
from batches.outbound.refusals import OutboundRefused
from batches.outbound.retry_after import seconds_to_wait

if TYPE_CHECKING:
    from batches.outbound.exchange import Answer, send

__all__ = [
    "MAX_BODY",
    "Answer",
    "OutboundRefused",
    "checked_url",
    "meaningless_entries",
    "origin_of",
    "refuse_unlisted",
    "seconds_to_wait",
    "send",
]


def __getattr__(name: str) -> Any:
    """`send` and `Answer`: what talks is imported when somebody talks. Most processes never do, and httpx takes a tenth
    of a second of their start."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("batches.outbound.exchange"), name)
