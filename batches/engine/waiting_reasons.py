"""Why a batch waits, and behind what: one sentence, the same at every door."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from batches.engine import turns
from batches.lanes import global_pause, workers
from batches.lanes.lane_counts import batches_at_work
from batches.lifecycle import removals
from batches.models import Batch, GlobalPause, Removal
from batches.wording import ordinal, quantity

Status = Batch.Status
LONGEST_LINE = 1_000
"""Batches that have not begun, of which the place in line is told."""
FIRST = {1: "First", 2: "Second", 3: "Third"}


class WaitingReasons:
    """For several batches: what is asked of the database is asked once, when it is first needed."""

    def __init__(self) -> None:
        self.declined = workers.Declined()

    @cached_property
    def pause(self) -> GlobalPause | None:
        return global_pause.in_force()

    @cached_property
    def removals(self) -> Mapping[str, Removal]:
        """Batch -> what has it go."""
        return {removal.batch_id: removal for removal in removals.under_way()}

    @cached_property
    def line(self) -> Mapping[str, int]:
        """Batch -> its place among those that have not begun, from 1."""
        rows = turns.not_begun().values_list("pk", flat=True)[:LONGEST_LINE]
        return {pk: place for place, pk in enumerate(rows, 1)}

    @cached_property
    def at_work(self) -> str:
        """`2 workers, 1 batch runs`."""
        alive = len(workers.presence().alive)
        running = batches_at_work()
        who = quantity(alive, "worker") if alive else "no worker lives"
        return f"{who}, {quantity(running, 'batch runs', 'batches run')}"

    def why(self, batch: Batch, *, is_held: bool) -> str:
        """Empty for a batch that waits for nothing, or for a person. `is_held`: a worker has it."""
        if batch.is_ad_hoc or batch.status not in Batch.WORKABLE:
            return ""
        if self.pause is not None:
            by_whom, why = global_pause.by_whom(self.pause), global_pause.sentence(self.pause.reason)
            return f"Everything is paused{by_whom}: {why}"
        if is_held:
            return ""
        if reason := self.declined.why(batch.pk):
            return f"Waiting for a worker that can run {batch.processor}. {reason}"
        return self.place(batch) if batch.status == Status.QUEUED else ""

    def place(self, batch: Batch) -> str:
        """Of a batch that has not begun: where it stands in line, and who works."""
        if (place := self.line.get(batch.pk)) is None:
            return ""
        return f"{batch.sentence} {FIRST.get(place, ordinal(place))} in line; {self.at_work}."
