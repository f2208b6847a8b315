"""JSON's numbers with all their digits, or refused: a float has 17 of them at most."""

from __future__ import annotations

from decimal import Decimal

CERTAINLY_EXACT = 15
"""Digits that every float keeps."""
SHOWN = 40


def exact_float(text: str) -> float:
    """The float that a number means; `ValueError` where it would be another number."""
    value = float(text)
    if len(text) <= CERTAINLY_EXACT and "e" not in text.lower():
        return value
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:SHOWN]} is larger than can be kept; send it as text")
    if Decimal(text) not in (Decimal(repr(value)), Decimal(f"{value:.17g}")):
        raise ValueError(f"the number {text[:SHOWN]} has more digits than are kept; send it as text")
    return value
