"""Numbers with their nouns, as sentences on pages and in a terminal say them."""

from __future__ import annotations


def quantity(count: int, noun: str, plural: str = "") -> str:
    """`1 item`, `1,234 items`, `2 batches`; `plural` for a noun that does not only take an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def number_agrees(count: int, singular: str, plural: str) -> str:
    """The verb or pronoun behind a number: `is` or `are`, `it` or `them`."""
    return singular if count == 1 else plural


def ordinal(n: int) -> str:
    """`1st`, `22nd`, `111th`."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
