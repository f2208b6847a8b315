"""How a quota is divided among the lanes that ask for it: arithmetic alone.

Items a second are held by the generic cell rate algorithm (ITU-T I.371): `free_at` moves on by an interval an item, and
may be ahead of the present by half a second's worth at most, or by one item. Slots are divided evenly. Where there are
more lanes than slots, or fewer items than lanes, who waits longest is next; who has had slots for two seconds gives
them back to those who wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor

BURST_SECONDS = 0.5
TURN_SECONDS = 2.0
PROMISED_SECONDS = 1.0
"""An item that may begin so soon is promised: were it asked for when its time has come, some of that would be lost."""
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Limits:
    """The size of a quota: items that run at the same time, items that begin a second; None for no limit."""

    concurrent: int | None = None
    per_second: float | None = None

    def halved(self) -> Limits:
        """What is left of it after somebody asked for less; never nothing."""
        return Limits(
            None if self.concurrent is None else max(1, self.concurrent // 2),
            None if self.per_second is None else self.per_second / 2,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """What another lane holds, or that it waits."""

    slots: int
    waits: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """`running` items now, and at most so many `slots` and further `items` wished for.

    `in_turn`: one after the other, so that one slot is enough for all of them.
    """

    running: int
    slots: int
    items: int
    in_turn: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """`items` may begin in `seconds`, `slots` run at the same time; without an item, ask again after `seconds`."""

    slots: int
    items: int
    free_at: datetime | None
    seconds: float


def grant(
    limits: Limits,
    request: Request,
    own: Share | None,
    others: Sequence[Share],
    free_at: datetime | None,
    now: datetime,
) -> Grant:
    """What a lane gets. `own` is what it had, None when it asks for the first time; `others` are the live ones."""
    ahead = 0 if is_in_its_turn(limits, own, now) else waiting_before(own, others)
    slots = slots_for(limits, request, others, ahead)
    room = slots - request.running
    most = request.items if request.in_turn and room > 0 else max(0, min(request.items, room))
    if limits.per_second is None:
        return Grant(slots, most, free_at, 0.0)
    interval, taken = 1 / limits.per_second, max(0.0, (free_at - now).total_seconds()) if free_at else 0.0
    burst = max(1.0, limits.per_second * BURST_SECONDS)
    available = floor(burst - taken / interval + ROUNDING) - ahead
    fair = max(1, int(burst / (1 + len(others))))
    items = max(0, min(most, available, fair))
    seconds = max(0.0, taken - (burst - 1 - ahead) * interval)
    if not items and most and not ahead and seconds <= PROMISED_SECONDS:
        items = 1
    return Grant(slots, items, now + timedelta(seconds=taken + items * interval), seconds)


def waiting_before(own: Share | None, others: Sequence[Share]) -> int:
    """How many of the others have waited longer than this lane."""
    waiting = [other.since for other in others if other.waits]
    if own is None or not own.waits:
        return len(waiting)
    return sum(since < own.since for since in waiting)


def is_in_its_turn(limits: Limits, own: Share | None, now: datetime) -> bool:
    """Whether the lane has slots, and has had them for less than two seconds: who waits for slots waits until then."""
    if limits.concurrent is None or own is None or own.waits or not own.slots:
        return False
    return (now - own.since).total_seconds() < TURN_SECONDS


def slots_for(limits: Limits, request: Request, others: Sequence[Share], ahead: int) -> int:
    """Never less than run already, and never more than are free beside what the others hold."""
    if limits.concurrent is None:
        return request.slots
    free = limits.concurrent - sum(other.slots for other in others)
    fair = ceil(limits.concurrent / (1 + len(others)))
    return max(request.running, min(request.slots, fair, free - ahead))
