"""`Retry-After` in both of its forms (RFC 9110, 10.2.3): seconds, or a date."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from django.utils import timezone

LONGEST_WAIT = 86_400.0
"""Seconds. Who asks for more is asked again after a day."""


def seconds_to_wait(header: str) -> float | None:
    """The pause that a receiver asks for, 0 to 86,400 seconds; None where the header has neither of its two forms."""
    text = header.strip(" \t")
    if text.isascii() and text.isdecimal():
        return min(float(text.lstrip("0")[:10] or 0), LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(text)
        until = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (until - timezone.now()).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(0.0, seconds), LONGEST_WAIT)
