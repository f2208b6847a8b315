"""What was predicted of a retry, as pages write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def interval_text(predicted: Mapping[str, Any]) -> str:
    """`685-690`, or `690` where both ends are one; empty if nothing was predicted."""
    low, high = predicted.get("low"), predicted.get("high")
    if low is None or high is None:
        return ""
    return f"{low:,.0f}" if low == high else f"{low:,.0f}-{high:,.0f}"


def expectation_text(predicted: Mapping[str, Any]) -> str:
    """`155 (125-175)`: what is most likely before the interval, where it is known."""
    interval, mid = interval_text(predicted), predicted.get("mid")
    if interval and mid is None and "mid" in predicted:
        return f"not known yet ({interval})"
    return f"{mid:,.0f} ({interval})" if "-" in interval and mid is not None else interval
