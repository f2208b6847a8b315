"""Exchanges with others in threads of their own: one a receiver at a time, and none that holds up another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Generic, TypeVar

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")


@dataclass(slots=True)
class Running(Generic[Job]):
    """A job at work; `until` (monotonic seconds) is when nobody waits for it any more."""

    job: Job
    until: float
    is_given_up: bool = False


@dataclass
class SideBySide(Generic[Job, Outcome]):
    """At most `most` threads, each for another receiver; a job that outlasts `patience` seconds is given up.

    A thread cannot be ended: until one that was given up ends by itself, its receiver is not called again.
    """

    most: int
    patience: float
    late: Outcome
    """The outcome of a job that was given up."""
    _running: dict[str, Running[Job]] = field(default_factory=dict)
    _finished: SimpleQueue[tuple[str, Outcome]] = field(default_factory=SimpleQueue)

    @property
    def busy(self) -> set[str]:
        """The receivers that are being talked to."""
        return set(self._running)

    @property
    def has_room(self) -> bool:
        return len(self._running) < self.most

    @property
    def awaited(self) -> int:
        """Jobs whose outcome is still to come."""
        return sum(not running.is_given_up for running in self._running.values())

    def start(self, receiver: str, job: Job, work: Callable[[], Outcome]) -> None:
        """Begin the work, which raises nothing, in a thread."""

        def run() -> None:
            self._finished.put((receiver, work()))

        thread = threading.Thread(target=run, name=f"to {receiver}"[:60], daemon=True)
        self._running[receiver] = Running(job, monotonic() + self.patience)
        try:
            thread.start()
        except BaseException:
            del self._running[receiver]
            raise

    def finished(self, wait: float) -> list[tuple[Job, Outcome]]:
        """What has ended, each job once; waits for so many seconds where nothing has ended yet."""
        ended = self._given_up()
        while True:
            try:
                receiver, outcome = self._finished.get(timeout=0 if ended else wait)
            except Empty:
                return ended or self._given_up()
            running = self._running.pop(receiver)
            if not running.is_given_up:
                ended.append((running.job, outcome))
            elif not ended:
                return ended

    def _given_up(self) -> list[tuple[Job, Outcome]]:
        now = monotonic()
        overdue = [running for running in self._running.values() if not running.is_given_up and running.until < now]
        for running in overdue:
            running.is_given_up = True
        return [(running.job, self.late) for running in overdue]
