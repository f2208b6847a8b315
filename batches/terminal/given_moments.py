"""A time that is typed: with its zone, or it is refused."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime


def moment_of(text: str) -> datetime:
    """Of ISO 8601 text, such as 2026-11-28T02:00+01:00."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time in ISO 8601, such as 2026-11-28T02:00+01:00.") from None
    if at.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} has no zone: write 2026-11-28T02:00+01:00, or …Z.")
    return at


def moment_or_none(text: str) -> datetime | None:
    """The same; `none` takes the time away."""
    return None if text.lower() == "none" else moment_of(text)
