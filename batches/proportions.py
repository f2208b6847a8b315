"""A part of a whole: in percent, and between which bounds its true share lies."""

from __future__ import annotations

from math import sqrt


def percent_of(part: int, whole: int) -> float:
    """Floored to one decimal: 999 of 1,000 is 99.9, so that only all of them are 100. `whole` is not 0."""
    return 1000 * part // whole / 10


def wilson(part: float, whole: float, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's interval of a proportion, 95 % by default; (0, 1) when nothing was seen."""
    if whole <= 0:
        return 0.0, 1.0
    share, square = part / whole, z * z
    middle = (share + square / (2 * whole)) / (1 + square / whole)
    half = z / (1 + square / whole) * sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    return max(0.0, middle - half), min(1.0, middle + half)
