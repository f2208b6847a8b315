"""A prediction beside what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def held(predicted: Mapping[str, Any], outcome: Mapping[str, int]) -> bool | None:
    """Whether the recoveries lay within the prediction; None while items wait, and where nothing was known before."""
    low, high = predicted.get("low"), predicted.get("high")
    if low is None or high is None or predicted.get("mid", low) is None or outcome["waiting"]:
        return None
    return bool(low <= outcome["recovered"] <= high)
