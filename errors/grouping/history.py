"""The history of an error group: a row for every change of its state, and for every act upon it."""

from __future__ import annotations

from batches.exceptions import InvalidInput
from batches.lanes.outcomes import storable
from errors.models import GroupChange

MAX_REASON = 10_000
"""Characters."""


def record_change(
    group_id: int, verb: str, from_state: str, to_state: str, *, reason: str = "", actor: str = ""
) -> None:
    """Without an actor nobody pressed a button: an error or the time did it. A reason too long raises InvalidInput."""
    if len(reason) > MAX_REASON:
        raise InvalidInput(f"At most {MAX_REASON:,} characters.", {"reason": ["Too long: shorten it."]})
    GroupChange.objects.create(
        group_id=group_id,
        verb=verb,
        from_state=from_state,
        to_state=to_state,
        actor=actor[:150],
        reason=storable(reason),
    )
