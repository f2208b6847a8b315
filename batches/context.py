"""What the engine tells a processor beside the payload."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from batches import idempotency_manager
from batches.keys import PROCESS, key_of

logger = logging.getLogger("batches.processor")


class ItemContext:
    """The `Context` of one attempt of one item."""

    __slots__ = ("attempt", "batch_id", "item_key", "params", "position")

    def __init__(self, batch_id: str, item_key: str, position: int, attempt: int, params: dict[str, Any]) -> None:
        self.batch_id, self.item_key, self.position = batch_id, item_key, position
        self.attempt, self.params = attempt, params

    @property
    def idempotency_key(self) -> str:
        return key_of(self.batch_id, self.item_key, PROCESS)

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        return logging.LoggerAdapter(
            logger, {"batch": self.batch_id, "item": self.item_key, "position": self.position, "attempt": self.attempt}
        )

    def once(self, name: str, function: Callable[[], Any]) -> Any:
        """The step's remembered result, or the function's, remembered with the item's own effects."""
        key = idempotency_manager.generate_key(self.batch_id, self.item_key, name)
        known = idempotency_manager.get_record(key)
        if known is not None:
            return known.response
        result = function()
        idempotency_manager.store_result(key, None, result)
        return result
