"""What a slice may begin of its processor's quota: asked for now and then, not for every item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, sleep

from batches.engine.turns import Turn
from batches.lanes import global_pause, quotas
from batches.lanes.leases import Lease
from batches.lanes.outcomes import Outcome
from batches.lanes.quota_grants import Request
from batches.processors import Processor

ASK_EVERY = 0.5  # seconds, of a lane that has a share
WAIT, SHORTEST_WAIT, LONGEST_WAIT = 0.2, 0.02, 1.0  # seconds between two questions of a lane that has none
UNLIMITED = 1_000_000_000


class QuotaShare:
    """A lane's share of a quota. Without limits, nothing is asked of the database, and everything may begin."""

    def __init__(self, processor: Processor, lease: Lease) -> None:
        self.name, self.lease = processor.quota, lease
        self.limits = quotas.limits_of(self.name)
        self.slots = self.items = UNLIMITED if self.limits is None else 0
        self._ask_at = self._begin_at = self._look_at = 0.0
        self._refused, self._turn = False, self._idle_turn()

    def room(self, running: int, items: int) -> int:
        """How many of so many items may begin beside those that run, each in a slot of its own."""
        self._ask(Request(running, running + items, items))
        return max(0, min(items, self.items, self.slots - running)) if monotonic() >= self._begin_at else 0

    def await_items(self, items: int, is_over: Callable[[], bool], on_wait: Callable[[], None]) -> bool:
        """Wait until at least one of so many may begin, one after the other; False when it is over before, the batch
        is not to go on, or another batch could use this process. `on_wait` is called before the first wait."""
        if self._may_begin(items):
            return True
        on_wait()
        while not is_over() and self.may_wait():
            until = self._begin_at if self.items > 0 else self._ask_at
            sleep(min(WAIT, max(0.0, until - monotonic())))
            if self._may_begin(items):
                return True
        return False

    def may_wait(self) -> bool:
        """Whether a lane that got nothing is to ask again: the batch goes on, which else only a claim would tell, and
        no other batch could use this process."""
        if monotonic() >= self._look_at:
            self._look_at = monotonic() + ASK_EVERY
            if not global_pause.goes_on(self.lease.batch_id):
                return False
        return not self._turn.is_over()

    def spend(self, items: int) -> None:
        """So many have begun."""
        if self.limits is not None:
            self.items -= items

    def let_go(self) -> None:
        """Leave the share to others until something can be begun again."""
        if self.limits is not None:
            quotas.let_go(self.lease)
            self.slots = self.items = 0
            self._ask_at = self._begin_at = 0.0
            self._refused = False

    def obey(self, outcomes: Sequence[Outcome]) -> None:
        """Slow down for all who share the quota, if one of these was told to by whom it called. After its commit."""
        if self.limits is None:
            return
        if seconds := [outcome.slow_down for outcome in outcomes if outcome.slow_down is not None]:
            quotas.slow_down(self.name, self.lease.batch_id, max(seconds))
            self._ask_at = self._begin_at = 0.0
            self._refused = False

    def _may_begin(self, items: int) -> bool:
        """Whether one of so many may begin now, asking if that is not known."""
        self._ask(Request(0, 1, items, in_turn=True))
        return self.items > 0 and monotonic() >= self._begin_at

    def _ask(self, request: Request) -> None:
        """Ask anew when the last answer is old, or used up."""
        if self.limits is None or (monotonic() < self._ask_at and (self.items > 0 or self._refused)):
            return
        unspent = max(0, self.items) if self.limits.per_second is not None else 0
        if not self._refused:
            self._turn = self._idle_turn()
        granted = quotas.ask(self.lease, self.name, self.limits, request, unspent)
        self.slots, self._refused = granted.slots, not granted.items
        self.items = granted.items if granted.items == 0 or self.limits.per_second is not None else UNLIMITED
        if self._refused:
            self._ask_at = monotonic() + min(max(SHORTEST_WAIT, granted.seconds or WAIT), LONGEST_WAIT)
        else:
            self._begin_at = monotonic() + granted.seconds
            self._ask_at = self._begin_at + ASK_EVERY

    def _idle_turn(self) -> Turn:
        """Ends when another batch waits, but for those that would have to wait here as well."""
        no_better = [] if self.limits is None else quotas.processors_of(self.name)
        return Turn(batch_id=self.lease.batch_id, is_idle=True, no_better=no_better)
