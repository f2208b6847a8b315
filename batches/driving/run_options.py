"""The options of a caller's run, checked before anything begins."""

from __future__ import annotations

from typing import Any

from batches.arguments import refused, whole_number
from batches.conf import settings
from batches.isolation.time_limits import longest_item_timeout
from batches.processors import MAX_CHUNK

MOST_ATTEMPTS = 100


def checked(item_timeout: Any, max_attempts: Any, checkpoint_every: Any) -> dict[str, Any]:
    """The options as columns of the batch; `InvalidInput` names the one that is out of bounds."""
    return {
        "item_timeout": float(settings.PORTAL_ITEM_TIMEOUT) if item_timeout is None else seconds(item_timeout),
        "max_attempts": whole_number("max_attempts", max_attempts, 1, MOST_ATTEMPTS),
        "checkpoint_every": whole_number("checkpoint_every", checkpoint_every, 1, MAX_CHUNK),
    }


def seconds(item_timeout: Any) -> float:
    """An item's time limit: the database ends a transaction that is idle for longer."""
    bound = longest_item_timeout()
    if is_number(item_timeout) and 0 < item_timeout < bound:
        return float(item_timeout)
    raise refused("item_timeout", item_timeout, f"seconds, more than 0 and less than {bound:g} (PORTAL_IDLE_SECONDS)")


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
