"""Waiting on purpose: the batch's rate, and the breaks in which a waiting lane looks up."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

from batches import clock
from batches.lanes import global_pause, leases
from batches.models import Batch, Checkpoint

LOOK_UP_EVERY = 0.25  # seconds
PACED_CHUNK_SECONDS = 0.5
LOCK_BUDGET, BUSY_SHARE, BREAK_SECONDS = 0.4, 0.75, 0.12


class Pacer:
    """Holds one lane to its share of the batch's rate (items a second over all lanes)."""

    def __init__(self, batch: Batch, lease: leases.Lease) -> None:
        self.rate, self.batch_id, self.lease = batch.rate, batch.pk, lease
        self.due = monotonic() + self._owed()
        self._share, self._share_until, self._locked, self._locked_since = 0.0, 0.0, 0.0, monotonic()

    def share(self) -> float:
        """Items a second for this lane: the rate over the lanes held now, counted once a second."""
        if monotonic() >= self._share_until:
            self._share = (self.rate or 0.0) / max(1, leases.held_lanes(self.batch_id).count())
            self._share_until = monotonic() + 1.0
        return self._share

    def chunk_size(self, limit: int) -> int:
        """Items of the next chunk, at most `limit`: so few that it is due soon, and a pause is noticed soon."""
        return limit if self.rate is None else max(1, min(limit, int(self.share() * PACED_CHUNK_SECONDS)))

    def done(self, items: int) -> None:
        """Account for items done; an idle spell is not caught up with."""
        if self.rate is not None:
            self.due = max(self.due, monotonic() - PACED_CHUNK_SECONDS) + items / self.share()

    def let_others_write(self, locked_for: float) -> None:
        """On SQLite, a break in which logins and the pause button get in, if the writer lock is held most of the time.

        SQLite's waiters look up every 100 ms at worst; where a fair part of the time is free, they find it themselves.
        """
        self._locked += locked_for
        if self._locked >= LOCK_BUDGET:
            if self._locked > BUSY_SHARE * (monotonic() - self._locked_since):
                sleep(BREAK_SECONDS)
            self._locked, self._locked_since = 0.0, monotonic()

    def wait(self, is_over: Callable[[], bool]) -> None:
        """Until the next chunk is due, or `is_over`."""
        if self.rate is not None:
            wait_until(self.due, self.lease, is_over)

    def _owed(self) -> float:
        """Seconds until one more item is due after the lane's last checkpoint: a new slice is no excuse to hurry."""
        if self.rate is None:
            return 0.0
        lane = Checkpoint.objects.filter(pk=self.lease.checkpoint_id)  # a rehearsal holds none
        saved_at = lane.values_list("saved_at", flat=True).first()
        return 0.0 if saved_at is None else max(0.0, 1 / self.rate - (clock.now() - saved_at).total_seconds())


def wait_until(due: float, lease: leases.Lease, is_over: Callable[[], bool]) -> None:
    """Sleep in short steps until the monotonic time `due`, keeping the lease and looking up for `is_over`."""
    looked_up = monotonic()
    while (left := due - monotonic()) > 0:
        sleep(min(left, LOOK_UP_EVERY))
        if monotonic() - looked_up >= LOOK_UP_EVERY and due - monotonic() > 0:
            looked_up = monotonic()
            leases.renew(lease)
            if is_over() or not global_pause.goes_on(lease.batch_id):
                return
