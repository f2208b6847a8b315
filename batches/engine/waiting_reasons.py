"""Why a batch waits, and behind what: one sentence, the same at every door, and the word that stands for it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property

from batches.engine import turns
from batches.lanes import global_pause, workers
from batches.lanes.lane_counts import lanes_in_turn
from batches.lanes.quotas import WaitingForQuotas
from batches.lifecycle import removals
from batches.models import Batch, GlobalPause, Removal
from batches.processors import all_processors
from batches.wording import ordinal, quantity

Status = Batch.Status
LONGEST_LINE = 1_000
"""Batches that have not begun, of which the place in line is told."""
FIRST = {1: "First", 2: "Second", 3: "Third"}


@dataclass(frozen=True, slots=True)
class Standing:
    """What people are shown of a batch's status: a label, and the status whose sign and colour it has."""

    status: str
    label: str


PAUSED_EVERYWHERE = Standing(Status.PAUSED, "Paused everywhere")
PAUSING_EVERYWHERE = Standing(Status.PAUSING, "Pausing everywhere")
WAITS_FOR_WORKER = Standing(Status.QUEUED, "Waiting for a worker")
WAITS_FOR_SCRIPT = Standing(Status.QUEUED, "Waiting for its script")
WAITS_FOR_QUOTA = Standing(Status.QUEUED, "Waiting for a quota")


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a batch waits, in a sentence; `standing` is shown in place of its status, where that would be untrue."""

    sentence: str
    standing: Standing | None = None


class WaitingReasons:
    """For several batches: what is asked of the database is asked once, when it is first needed."""

    def __init__(self) -> None:
        self.declined = workers.Declined()

    @cached_property
    def pause(self) -> GlobalPause | None:
        return global_pause.in_force()

    @cached_property
    def present(self) -> workers.Presence:
        return workers.presence()

    @cached_property
    def quotas(self) -> WaitingForQuotas:
        return WaitingForQuotas()

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
    def neglected(self) -> Container[str]:
        """Batches that have begun and of which an item could be claimed, yet nobody has had them for ten seconds."""
        rows = turns.deserted().values_list("pk", "is_overdue")[:LONGEST_LINE]
        return {pk for pk, is_overdue in rows if is_overdue}

    @cached_property
    def at_work(self) -> str:
        """`2 workers, 1 batch runs`."""
        alive = len(self.present.alive)
        running = lanes_in_turn().values("batch").distinct().count()
        who = quantity(alive, "worker") if alive else "no worker lives"
        return f"{who}, {quantity(running, 'batch runs', 'batches run')}"

    def why(self, batch: Batch, *, is_held: bool, is_stuck: bool = False) -> Wait | None:
        """None for a batch that waits for nothing, or for a person. `is_held`: a worker has it; `is_stuck`: none has,
        though one should."""
        if batch.is_ad_hoc or batch.status not in Batch.WORKABLE:
            return None
        if self.pause is not None:
            by_whom, why = global_pause.by_whom(self.pause), global_pause.sentence(self.pause.reason)
            return Wait(f"Everything is paused{by_whom}: {why}", PAUSING_EVERYWHERE if is_held else PAUSED_EVERYWHERE)
        if waits_for_quota := self.quotas.why(batch):
            return Wait(waits_for_quota, WAITS_FOR_QUOTA)
        if is_held:
            return None
        reason = self.declined.why(batch.pk)
        if reason and not workers.could_run(batch, self.present.alive):
            return Wait(f"Waiting for a worker that can run {batch.processor}. {reason}", WAITS_FOR_WORKER)
        if unknown := self.known_to_nobody(batch):
            return Wait(unknown, WAITS_FOR_WORKER)
        if batch.status == Status.QUEUED:
            return self.place(batch)
        if is_stuck or batch.pk not in self.neglected:
            return None
        return Wait(f"It has begun, and waits for its next turn: {self.at_work}.", WAITS_FOR_WORKER)

    def known_to_nobody(self, batch: Batch) -> str:
        """While no worker lives: that neither those heard of last nor this process know the batch's processor; empty
        where one does."""
        is_known = any(processor.name == batch.processor for processor in all_processors())
        if is_known or self.present.anybody or workers.could_run(batch):
            return ""
        return (
            f"Waiting for a worker that can run {batch.processor}. No worker lives, and this process does not know "
            f"{batch.processor} either: is the code that registers it installed?"
        )

    def place(self, batch: Batch) -> Wait | None:
        """Of a batch that has not begun: where it stands in line, and who works."""
        if (place := self.line.get(batch.pk)) is None:
            return None
        return Wait(f"{batch.sentence} {FIRST.get(place, ordinal(place))} in line; {self.at_work}.")
