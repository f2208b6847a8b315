"""Numbers as sentences say them: with their nouns, and in percent."""

from __future__ import annotations


def quantity(count: int, noun: str, plural: str = "") -> str:
    """`1 item`, `1,234 items`, `2 batches`; `plural` for a noun that does not only take an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def number_agrees(count: int, singular: str, plural: str) -> str:
    """The verb or pronoun behind a number: `is` or `are`, `it` or `them`."""
    return singular if count == 1 else plural


def percent_of(part: int, whole: int) -> float:
    """Floored to one decimal: 999 of 1,000 is 99.9, so that only all of them are 100. `whole` is not 0."""
    return 1000 * part // whole / 10
