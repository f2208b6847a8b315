"""Numbers with their nouns, as sentences on pages and in a terminal say them."""

from __future__ import annotations


def quantity(count: int, noun: str, plural: str = "") -> str:
    """`1 item`, `1,234 items`, `2 batches`; `plural` for a noun that does not only take an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def quantity_are(count: int, noun: str) -> str:
    """`1 item is`, `2 items are`."""
    return f"{quantity(count, noun)} {number_agrees(count, 'is', 'are')}"


def quantity_have(count: int, noun: str) -> str:
    """`1 item has`, `2 items have`."""
    return f"{quantity(count, noun)} {number_agrees(count, 'has', 'have')}"


def every(count: int, noun: str) -> str:
    """`The one item`, `All 2 items`, as a sentence begins with them."""
    return f"The one {noun}" if count == 1 else f"All {quantity(count, noun)}"


def number_agrees(count: int, singular: str, plural: str) -> str:
    """The verb or pronoun behind a number: `is` or `are`, `it` or `them`."""
    return singular if count == 1 else plural


def ordinal(n: int) -> str:
    """`1st`, `22nd`, `111th`."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
