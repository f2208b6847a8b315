"""The options of a caller's run, checked before anything begins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from batches import coroutines
from batches.arguments import refused, whole_number
from batches.conf import settings
from batches.exceptions import InvalidInput
from batches.isolation.time_limits import longest_item_timeout
from batches.processors import MAX_CHUNK

MOST_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Of one call; `item_timeout` in seconds, None for no limit."""

    effects: Literal["database", "external"]
    item_timeout: float | None
    max_attempts: int
    checkpoint_every: int

    def columns(self) -> dict[str, Any]:
        """As the batch stores them."""
        return {
            "item_timeout": self.item_timeout or float(settings.PORTAL_ITEM_TIMEOUT),
            "max_attempts": self.max_attempts,
            "checkpoint_every": self.checkpoint_every,
        }


def checked(item_timeout: Any, max_attempts: Any, checkpoint_every: Any, effects: Any) -> RunOptions:
    """The options; `InvalidInput` names the one that is out of bounds."""
    if effects not in ("database", "external"):
        raise refused("effects", effects, '"database" or "external"')
    bound, limit = longest_item_timeout() if effects == "database" else inf, item_timeout
    if item_timeout is not None:
        limit = seconds(item_timeout, bound)
    elif effects == "database":
        limit = float(settings.PORTAL_ITEM_TIMEOUT)
    return RunOptions(
        effects=effects,
        item_timeout=limit,
        max_attempts=whole_number("max_attempts", max_attempts, 1, MOST_ATTEMPTS),
        checkpoint_every=whole_number("checkpoint_every", checkpoint_every, 1, MAX_CHUNK),
    )


def refuse_unkept_limit(options: RunOptions, process_fn: Callable[..., Any]) -> None:
    """`InvalidInput` for a time limit at which nothing could end an item: what interrupts a plain function is a signal,
    and only the main thread gets one."""
    is_kept = threading.current_thread() is threading.main_thread() or coroutines.is_async(process_fn)
    if options.effects == "external" and options.item_timeout is not None and not is_kept:
        reason = "only the main thread can interrupt a plain function"
        raise InvalidInput(
            f"The item_timeout cannot be kept here: {reason}. Leave it out and give what process_fn waits for a "
            "timeout, make process_fn async def, or call this in the main thread.",
            {"item_timeout": [f"Not kept: {reason}."]},
        )


def seconds(item_timeout: Any, bound: float) -> float:
    """An item's time limit; the database ends a transaction that is idle for longer than the bound."""
    if is_number(item_timeout) and 0 < item_timeout < bound:
        return float(item_timeout)
    below = "" if bound == inf else f' and less than {bound:g} (PORTAL_IDLE_SECONDS), or effects="external"'
    raise refused("item_timeout", item_timeout, f"seconds, more than 0{below}")


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
