"""One reader a web process for everyone who watches: the database is asked once, a frame is encoded once.

A hint only says when to look; every number comes from the database, so a lost hint costs a second and the final state
always arrives. A client that reads slowly is handed the latest frame once it is ready for one: nothing queues up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from django.db import Error as AnyDatabaseError

from batches.conf import settings
from batches.live.admission import Admission
from batches.live.frames import FrameEncoder, essence_of, milestone_message, progress_message, status_message
from batches.live.listening import Listener
from batches.live.reading import DatabaseThread, Reading, newest_transition, read
from batches.live.socket_counts import SocketCounts

logger = logging.getLogger("batches")

FRAME_SECONDS = 0.25
"""From one look that showed something to the next: four frames a second at most."""
IDLE_SECONDS = 0.05
"""From one look that showed nothing to the next, where hints say when to look."""
LOOK_SECONDS = 1.0
"""From one look to the next without a hint."""
HEARTBEAT_SECONDS = 5.0
"""After which a state is shown again although it has not changed."""
RIGHTS_SECONDS = 2.0
"""From one check of all admissions to the next."""
TROUBLE_SECONDS = 1.0
"""Until the database is asked again that did not answer."""
NORMAL, INTERNAL_ERROR, RIGHT_LOST, BATCH_GONE = 1000, 1011, 4403, 4404
"""With which code a socket is closed."""


class Watcher(Protocol):
    """One open socket."""

    admission: Admission
    batch_ids: tuple[str, ...]

    async def show(self, batch_id: str, frame: str) -> None:
        """The state of a batch, which takes the place of an earlier one that is not sent yet."""

    async def tell(self, frame: str) -> None:
        """An event, which waits behind earlier ones."""

    async def finish(self, code: int) -> None:
        """Close it, after what it should still get."""

    async def catch_up(self) -> bool:
        """Send what was kept back while the client read slowly; True if nothing is kept any more."""


@dataclass(slots=True)
class LastShown:
    """What watchers of a batch have been shown last, and when; newcomers have been shown nothing yet."""

    essence: Any = None
    at: float = 0.0
    milestones: set[int] = field(default_factory=set)
    newcomers: set[Watcher] = field(default_factory=set)


class Hub:
    """Belongs to one event loop; runs while somebody watches."""

    def __init__(self) -> None:
        self.watchers: dict[str, set[Watcher]] = defaultdict(set)
        self.last_shown: dict[str, LastShown] = defaultdict(LastShown)
        self.behind: set[Watcher] = set()
        self.sockets = SocketCounts()
        self.dropped_frames = 0
        self.encoder = FrameEncoder()
        self.database = DatabaseThread()
        self.wake = asyncio.Event()
        self.after_transition = -1
        self.rights_checked_at = 0.0
        self.tasks: list[asyncio.Task[None]] = []

    # -- coming and going

    def join(self, watcher: Watcher) -> None:
        for batch_id in watcher.batch_ids:
            self.watchers[batch_id].add(watcher)
            self.last_shown[batch_id].newcomers.add(watcher)
        self.wake.set()
        if not self.tasks or self.tasks[0].done():
            listening = [Listener(self.take_hint).run()] if settings.REDIS_URL else []
            self.tasks = [asyncio.create_task(work) for work in (self.run(), *listening)]

    def leave(self, watcher: Watcher) -> None:
        self.behind.discard(watcher)
        for batch_id in watcher.batch_ids:
            self.watchers[batch_id].discard(watcher)
            self.last_shown[batch_id].newcomers.discard(watcher)
            if not self.watchers[batch_id]:
                del self.watchers[batch_id], self.last_shown[batch_id]

    def everyone(self) -> set[Watcher]:
        return set().union(*self.watchers.values())

    # -- the loop

    async def run(self) -> None:
        """Look, show, wait: at most four times a second, and at least once.

        A look that had nothing to show delays the next one hardly: news that follows it need not wait for its turn.
        """
        try:
            while self.watchers or self.behind:
                began = monotonic()
                has_shown = await self.look()
                pause = FRAME_SECONDS if has_shown or not settings.REDIS_URL else IDLE_SECONDS
                await asyncio.sleep(max(0.0, pause - (monotonic() - began)))
                if settings.REDIS_URL:
                    await self.wait_for_hint(LOOK_SECONDS - FRAME_SECONDS)
        except Exception:
            logger.exception("live progress stopped; the next watcher starts it again")
            await self.each(self.everyone(), lambda watcher: watcher.finish(INTERNAL_ERROR))
        finally:
            for task in self.tasks[1:]:
                task.cancel()

    def take_hint(self, batch_ids: Iterable[str]) -> None:
        if not self.watchers.keys().isdisjoint(batch_ids):
            self.wake.set()

    async def wait_for_hint(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.wake.wait(), seconds)
        except TimeoutError:
            pass
        self.wake.clear()

    async def look(self) -> bool:
        """Show what there is to show; True when there was something."""
        try:
            if self.after_transition < 0:
                self.after_transition = await self.database.call(newest_transition)
            batch_ids = list(self.watchers)
            reading = await self.database.call(read, batch_ids, self.after_transition, self.admissions_due())
        except AnyDatabaseError as error:
            logger.warning("live progress cannot read the database, trying again: %s", error)
            await asyncio.sleep(TROUBLE_SECONDS)
            return False
        await self.catch_up()
        await self.send_away(reading.revoked)
        for transition in reading.transitions:
            self.after_transition = max(self.after_transition, transition.pk)
            await self.tell(transition.batch_id, status_message(transition))
        watched = [batch_id for batch_id in batch_ids if batch_id in self.watchers]
        return any([await self.publish(batch_id, reading) for batch_id in watched])

    def admissions_due(self) -> set[Admission]:
        """Those of everyone, every two seconds; else none."""
        if monotonic() - self.rights_checked_at <= RIGHTS_SECONDS:
            return set()
        self.rights_checked_at = monotonic()
        return {watcher.admission for watcher in self.everyone()}

    # -- what goes out

    async def publish(self, batch_id: str, reading: Reading) -> bool:
        """The batch's state: to all when it has changed, to newcomers in any case. True when it went to anyone."""
        batch, last = reading.batches.get(batch_id), self.last_shown[batch_id]
        if batch is None:
            await self.finish(batch_id, BATCH_GONE)
            return True
        state = reading.progress[batch_id].to_dict()
        await self.announce_milestones(batch_id, last, state["milestones"])
        essence = essence_of(state)
        changed = essence != last.essence or monotonic() - last.at > HEARTBEAT_SECONDS
        receivers = list(self.watchers[batch_id] if changed else last.newcomers)
        last.newcomers.clear()
        if changed:
            last.essence, last.at = essence, monotonic()
        if receivers:
            frame = self.encoder.encode(progress_message(state, reading.words[batch_id]))
            await self.each(receivers, lambda watcher: watcher.show(batch_id, frame))
        if batch.is_final:
            await self.finish(batch_id, NORMAL)
        return bool(receivers)

    async def announce_milestones(self, batch_id: str, last: LastShown, milestones: Iterable[dict[str, Any]]) -> None:
        for milestone in milestones:
            if last.essence is not None and milestone["milestone"] not in last.milestones:
                await self.tell(batch_id, milestone_message(batch_id, milestone))
        last.milestones = {milestone["milestone"] for milestone in milestones}

    async def tell(self, batch_id: str, message: dict[str, Any]) -> None:
        """An event, to those who have had their snapshot."""
        receivers = self.watchers.get(batch_id, set()) - self.last_shown[batch_id].newcomers
        if receivers:
            frame = self.encoder.encode(message)
            await self.each(receivers, lambda watcher: watcher.tell(frame))

    async def finish(self, batch_id: str, code: int) -> None:
        """Nothing more will come of this batch: a socket that watches no other is closed."""
        for watcher in self.watchers.pop(batch_id, set()):
            if not any(watcher in self.watchers.get(other, ()) for other in watcher.batch_ids):
                self.behind.discard(watcher)
                await self.each([watcher], lambda watcher: watcher.finish(code))
        self.last_shown.pop(batch_id, None)

    async def send_away(self, revoked: set[Admission]) -> None:
        if revoked:
            for watcher in [watcher for watcher in self.everyone() if watcher.admission in revoked]:
                self.leave(watcher)
                await self.each([watcher], lambda watcher: watcher.finish(RIGHT_LOST))

    async def catch_up(self) -> None:
        for watcher in list(self.behind):
            await self.each([watcher], self.let_catch_up)

    async def let_catch_up(self, watcher: Watcher) -> None:
        if await watcher.catch_up():
            self.behind.discard(watcher)

    async def each(self, watchers: Iterable[Watcher], act: Callable[[Watcher], Awaitable[None]]) -> None:
        """Act on each of them; a socket that cannot take it is left alone, and disturbs nobody else."""
        for watcher in list(watchers):
            try:
                await act(watcher)
            except Exception as error:  # whatever a server raises for a socket that is gone
                logger.info("a socket could not be written to: %s", error)
                if any(watcher in self.watchers.get(batch_id, ()) for batch_id in watcher.batch_ids):
                    self.leave(watcher)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())


def open_sockets() -> int:
    """Of this process."""
    return sum(hub.sockets.total for hub in list(_hubs.values()))


def dropped_frames() -> int:
    """Frames of this process that newer ones have replaced before a slow client could take them."""
    return sum(hub.dropped_frames for hub in list(_hubs.values()))
