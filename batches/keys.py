"""The idempotency key: one operation on one item of one batch."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

TTL = timedelta(hours=24)
"""How long a remembered response can be replayed; an item's own status guards it for ever."""

PROCESS = "process"
"""The operation the engine runs on an item."""


def key_of(batch_id: str, item_id: str, operation: str) -> str:
    """sha256 of `batch:item:operation` as 64 hexadecimal digits.

    Batch ids and operations hold no colon, so no two triples meet in one text.
    """
    return sha256(f"{batch_id}:{item_id}:{operation}".encode()).hexdigest()
