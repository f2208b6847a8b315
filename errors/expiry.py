"""What grows in triage with time has an end; docs/growth.md says when."""

from __future__ import annotations

from errors.grouping import unused_tracebacks
from errors.groups import background
from errors.recovery import recommendations


def forget_expired() -> None:
    """Remove tracebacks of no error, merges and splits that were over long ago, and advice that was replaced."""
    unused_tracebacks.forget()
    background.forget_old()
    recommendations.forget_replaced()
