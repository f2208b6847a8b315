"""Which items a lane takes next: retries that are due, then onwards from its cursor, then once more from the start."""

from __future__ import annotations

from time import monotonic

from django.db.models import Min

from batches import clock
from batches.engine.call_marks import Marks
from batches.engine.pacing import wait_until
from batches.engine.slices import CLAIM_WINDOW, Slice
from batches.engine.statements import Claim, claim, claim_due
from batches.lanes import leases
from batches.lanes.outcomes import Claimed
from batches.models import Item

WIDEST_WINDOW = 64_000  # positions
RETRIES_EVERY = 1.0  # seconds
SHORTEST_WAIT = 0.05  # seconds


def claim_items(slice_: Slice, limit: int, marks: Marks | None = None) -> Claim:
    """The next pending items, at most `limit`: retries that are due, looked for once a second, else onwards. With
    `marks` as calls that are out."""
    limit = most_items(slice_, limit)
    if looks_for_retries(slice_):
        slice_.retries_seen_at = monotonic()
        due = claim_due(slice_.lease, limit, marks)
        if due.items:
            slice_.retries_seen_at = 0.0
            return due
    return claim(slice_.lease, limit, after=slice_.cursor, upto=slice_.cursor + slice_.window, marks=marks)


def most_items(slice_: Slice, limit: int) -> int:
    """How many items the next claim may take, at most `limit`."""
    limit = 1 if slice_.alone or slice_.lease.careful else slice_.pacer.chunk_size(limit)
    return min(limit, slice_.quota.items)


def looks_for_retries(slice_: Slice) -> bool:
    """Whether the next claim is to begin with retries that are due."""
    return monotonic() >= slice_.retries_seen_at + RETRIES_EVERY


def mark_next(slice_: Slice) -> Claimed | None:
    """After an unclean take-over: commit which item is about to run, so that a second death names its culprit."""
    items = claim_items(slice_, 1).items
    if not items:
        return None
    leases.mark_in_flight(slice_.lease, items[0].id)
    return items[0]


def widen_window(slice_: Slice) -> bool:
    """After an empty claim: look further on, then once more from the start; False when all was seen."""
    if slice_.cursor + slice_.window < slice_.last_position:
        slice_.cursor, slice_.window = slice_.cursor + slice_.window, min(2 * slice_.window, WIDEST_WINDOW)
        return True
    if not slice_.wrapped:
        slice_.cursor, slice_.window, slice_.wrapped = -1, CLAIM_WINDOW, True
        return True
    return False


def await_retry(slice_: Slice) -> bool:
    """Wait for the next retry that will be due; False when there is none."""
    slice_.watchdog.call_off()
    waiting = Item.objects.filter(batch=slice_.batch, status=Item.Status.PENDING, available_at__isnull=False)
    due = waiting.aggregate(first=Min("available_at"))["first"]
    if due is None:
        return False
    slice_.quota.let_go()
    seconds = max(SHORTEST_WAIT, (due - clock.now()).total_seconds())
    wait_until(min(monotonic() + seconds, slice_.deadline), slice_.lease, slice_.is_over)
    slice_.retries_seen_at = 0.0
    return True
