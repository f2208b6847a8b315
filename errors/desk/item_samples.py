"""A few of the items that an act is about, shown before it is confirmed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from batches.models import Item
from batches.redaction import redact, redact_text

MESSAGE_LENGTH, PAYLOAD_LENGTH = 300, 200


@dataclass(frozen=True, slots=True)
class ItemSample:
    """An item with its last message and its payload in one line, both freed of secrets."""

    item: Item
    message: str
    payload: str


def item_samples(items: Iterable[Item]) -> list[ItemSample]:
    return [
        ItemSample(item, redact_text(item.message, item.payload)[:MESSAGE_LENGTH], payload_line(item)) for item in items
    ]


def payload_line(item: Item) -> str:
    payload = redact(item.payload)
    if isinstance(payload, dict):
        return ", ".join(f"{name}: {value}" if name else str(value) for name, value in payload.items())[:PAYLOAD_LENGTH]
    return str(payload)[:PAYLOAD_LENGTH]
