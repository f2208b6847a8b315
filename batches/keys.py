"""The idempotency key: one operation on one item of one batch; and the hash of the request that is made under it."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

from batches.exceptions import InvalidInput

TTL = timedelta(hours=24)
"""How long a remembered response can be replayed; an item's own status guards it for ever."""

PROCESS = "process"
"""The operation the engine runs on an item."""

ITEM_KEY_LENGTH = 200
"""Characters of an item's key."""


def key_of(batch_id: str, item_id: str, operation: str) -> str:
    """sha256 of `batch:item:operation` as 64 hexadecimal digits.

    Batch ids and operations hold no colon, so no two triples meet in one text.
    """
    return sha256(f"{batch_id}:{item_id}:{operation}".encode()).hexdigest()


def request_hash(request_data: Any) -> str:
    """sha256 of the arguments as canonical JSON; empty for None, which is not compared."""
    if request_data is None:
        return ""
    return sha256(json_text(request_data, "request data", lenient=True).encode()).hexdigest()


def json_text(value: Any, what: str, lenient: bool = False) -> str:
    """The value as JSON; `InvalidInput` if it is none. `lenient`: with the `repr` of what JSON does not know."""
    try:
        return json.dumps(value, sort_keys=lenient, allow_nan=lenient, default=repr if lenient else None)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The {what} is not JSON: {error}") from error
