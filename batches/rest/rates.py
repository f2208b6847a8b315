"""How much a caller may ask of REST: by token or account, and by address. Every answer says what is left.

Headers as in draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from batches.access.addresses import address_of, network_of
from batches.access.allotments import allotments
from batches.access.allowances import Limit, Use
from batches.access.scopes import token_behind
from batches.conf import settings
from batches.exceptions import TooManyRequests

logger = logging.getLogger("batches")

WINDOW_SECONDS = 60


class Rate(BaseThrottle):
    """Counts each request once; raises `TooManyRequests` beyond a limit."""

    def allow_request(self, request: Request, view: Any) -> bool:
        try:
            uses = allotments.count(callers_of(request))
        except DatabaseError as error:  # who may read is not refused because a count could not be written
            logger.warning("a request was not counted: %s", error)
            return True
        request.rate_uses = uses  # type: ignore[attr-defined]
        exceeded = next((use for use in uses if use.is_exceeded), None)
        if exceeded is not None:
            limit = exceeded.limit
            raise TooManyRequests(
                f"More than {limit.quantity:,} requests in {limit.seconds} seconds by this {limit.name}.",
                exceeded.resets_in,
            )
        return True


def callers_of(request: Request) -> list[tuple[str, Limit]]:
    """(key, limit) of all that a request counts for."""
    callers: list[tuple[str, Any, int]] = [
        ("address", network_of(address_of(request.META)), settings.PORTAL_RATE_PER_ADDRESS)
    ]
    if token := token_behind(request.user):
        callers.append(("token", token.pk, settings.PORTAL_RATE_PER_CALLER))
    elif request.user and request.user.is_authenticated:
        callers.append(("account", request.user.pk, settings.PORTAL_RATE_PER_CALLER))
    return [
        (f"{name}:{caller}", Limit(name, quantity, WINDOW_SECONDS)) for name, caller, quantity in callers if quantity
    ]


def rate_headers(uses: Sequence[Use]) -> dict[str, str]:
    """The policies, and what is left of each; none where nothing was counted."""
    if not uses:
        return {}
    policies = (f'"{use.limit.name}";q={use.limit.quantity};w={use.limit.seconds}' for use in uses)
    left = (f'"{use.limit.name}";r={use.remaining};t={use.resets_in}' for use in uses)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}
