"""The frames of a progress socket: JSON texts, each with a number that grows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import time
from typing import Any

from batches.models import Transition

CHANGES_WITH_TIME = ("active_seconds", "current_velocity", "recent_velocity", "eta_seconds", "eta_human", "lanes")
"""Fields of a batch's progress that change although nothing has happened."""


class FrameEncoder:
    """Numbers frames: `seq` grows over all frames of a process and, as it follows the clock, over its restarts."""

    def __init__(self) -> None:
        self.seq = 0

    def encode(self, message: dict[str, Any]) -> str:
        self.seq = max(self.seq + 1, int(time() * 1000))
        return json.dumps({**message, "seq": self.seq}, ensure_ascii=False)


def progress_message(state: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "progress", **state, **words}


def milestone_message(batch_id: str, milestone: dict[str, Any]) -> dict[str, Any]:
    return {"type": "milestone", "batch_id": batch_id, **milestone}


def status_message(transition: Transition) -> dict[str, Any]:
    return {
        "type": "status",
        "batch_id": transition.batch_id,
        "from": transition.from_status or None,
        "to": transition.to_status,
        "reason": transition.reason,
        "actor": transition.actor,
    }


def essence_of(state: dict[str, Any]) -> Any:
    """What must have changed for a progress frame to be worth sending."""
    lanes = [(lane["lane"], lane["worker"], lane["current_item_index"]) for lane in state["lanes"]]
    return lanes, {name: value for name, value in state.items() if name not in CHANGES_WITH_TIME}
