"""One reader a web process for everyone who watches: the database is asked once, a frame is encoded once.

A hint only says when to look; every number comes from the database, so a lost hint costs a second and the final state
always arrives. A client that reads slowly is handed the latest frame once it is ready for one: nothing queues up.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connection

from batches.live.admission import Admission, lost
from batches.live.listening import Listener
from batches.models import Batch, Transition
from batches.progress_tracker import Progress, progress_of

logger = logging.getLogger("batches")

EVERY = 0.25
BETWEEN_LOOKS = 0.05
WITHOUT_HINT = 1.0
HEARTBEAT = 5.0
RIGHTS_EVERY = 2.0
AFTER_TROUBLE = 1.0
MOVING_WITH_TIME = ("active_seconds", "current_velocity", "recent_velocity", "eta_seconds", "eta_human", "lanes")
NORMAL, RIGHT_LOST, BATCH_GONE = 1000, 4403, 4404


class Watcher(Protocol):
    """One open socket."""

    admission: Admission
    batch_ids: tuple[str, ...]

    async def show(self, batch_id: str, frame: str) -> None: ...
    async def tell(self, frame: str) -> None: ...
    async def finish(self, code: int) -> None: ...
    async def catch_up(self) -> bool: ...


@dataclass(slots=True)
class Shown:
    """What was last said about a batch."""

    essence: Any = None
    at: float = 0.0
    milestones: set[int] = field(default_factory=set)
    newcomers: set[Watcher] = field(default_factory=set)


@dataclass(slots=True)
class Reading:
    """What one look at the database found."""

    batches: dict[str, Batch]
    progress: Mapping[str, Progress]
    transitions: list[Transition]
    lost: set[Admission]


def read(ids: list[str], after: int, admissions: set[Admission]) -> Reading:
    """All watched batches in one set of queries, and what has happened to them since transition `after`."""
    batches = Batch.objects.in_bulk(ids)
    progress = progress_of(list(batches.values()))
    happened = list(Transition.objects.filter(pk__gt=after, batch__in=ids).order_by("pk")) if after >= 0 else []
    return Reading(batches, progress, happened, lost(admissions) if admissions else set())


def newest_transition() -> int:
    newest = Transition.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


class Hub:
    """Belongs to one event loop; runs while somebody watches."""

    def __init__(self) -> None:
        self.watchers: dict[str, set[Watcher]] = defaultdict(set)
        self.shown: dict[str, Shown] = defaultdict(Shown)
        self.behind: set[Watcher] = set()
        self.sockets: Counter[int] = Counter()
        self.dropped = 0
        self.wake = asyncio.Event()
        self.seq = 0
        self.after = -1
        self.rights_at = 0.0
        self.tasks: list[asyncio.Task[None]] = []
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="hub")

    # -- coming and going

    def enter(self, user_id: int) -> str:
        """Room for one more socket of that person; else why there is none. `exit` gives it back."""
        if self.sockets.total() >= settings.PORTAL_SOCKETS:
            return "This web process has as many sockets open as it may have (PORTAL_SOCKETS)."
        if self.sockets[user_id] >= settings.PORTAL_SOCKETS_PER_USER:
            return "This account has as many sockets open as it may have (PORTAL_SOCKETS_PER_USER)."
        self.sockets[user_id] += 1
        return ""

    def exit(self, user_id: int) -> None:
        self.sockets[user_id] -= 1
        if self.sockets[user_id] <= 0:
            del self.sockets[user_id]

    def join(self, watcher: Watcher) -> None:
        for batch_id in watcher.batch_ids:
            self.watchers[batch_id].add(watcher)
            self.shown[batch_id].newcomers.add(watcher)
        self.wake.set()
        if not self.tasks or self.tasks[0].done():
            listening = [Listener(self.hear).run()] if settings.REDIS_URL else []
            self.tasks = [asyncio.create_task(work) for work in (self.run(), *listening)]

    def leave(self, watcher: Watcher) -> None:
        self.behind.discard(watcher)
        for batch_id in watcher.batch_ids:
            self.watchers[batch_id].discard(watcher)
            self.shown[batch_id].newcomers.discard(watcher)
            if not self.watchers[batch_id]:
                del self.watchers[batch_id], self.shown[batch_id]

    def everyone(self) -> set[Watcher]:
        return set().union(*self.watchers.values())

    # -- the loop

    async def run(self) -> None:
        """Look, show, wait: at most four times a second, and at least once.

        A look that had nothing to say delays the next one hardly: news that follows it need not wait for its turn.
        """
        try:
            while self.watchers or self.behind:
                began = monotonic()
                said = await self.look()
                pause = EVERY if said or not settings.REDIS_URL else BETWEEN_LOOKS
                await asyncio.sleep(max(0.0, pause - (monotonic() - began)))
                if settings.REDIS_URL:
                    await self.wait_for_hint(WITHOUT_HINT - EVERY)
        except Exception:
            logger.exception("live progress stopped; the next watcher starts it again")
            await self.each(self.everyone(), lambda watcher: watcher.finish(1011))
        finally:
            for task in self.tasks[1:]:
                task.cancel()

    def hear(self, moved: Iterable[str]) -> None:
        if not self.watchers.keys().isdisjoint(moved):
            self.wake.set()

    async def wait_for_hint(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.wake.wait(), seconds)
        except TimeoutError:
            pass
        self.wake.clear()

    async def look(self) -> bool:
        """Show what there is to show; True when there was something."""
        ids, admissions = list(self.watchers), set()
        if monotonic() - self.rights_at > RIGHTS_EVERY:
            self.rights_at, admissions = monotonic(), {watcher.admission for watcher in self.everyone()}
        try:
            if self.after < 0:
                self.after = await self.in_thread(newest_transition)
            found = await self.in_thread(read, ids, self.after, admissions)
        except AnyDatabaseError as error:
            logger.warning("live progress cannot read the database, trying again: %s", error)
            await asyncio.sleep(AFTER_TROUBLE)
            return False
        await self.catch_up()
        await self.send_away(found.lost)
        for transition in found.transitions:
            self.after = max(self.after, transition.pk)
            await self.tell(transition.batch_id, status_of(transition))
        watched = [batch_id for batch_id in ids if batch_id in self.watchers]
        return any([await self.publish(batch_id, found) for batch_id in watched])

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """On the hub's own thread and its lasting connection, which is closed when it was of no use."""

        def call() -> Any:
            try:
                return function(*arguments)
            except AnyDatabaseError:
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self.thread, call)

    # -- what goes out

    async def publish(self, batch_id: str, found: Reading) -> bool:
        """The batch's state: to all when it has changed, to newcomers in any case. True when it went to anyone."""
        batch, shown = found.batches.get(batch_id), self.shown[batch_id]
        if batch is None:
            await self.finish(batch_id, BATCH_GONE)
            return True
        state = found.progress[batch_id].to_dict()
        await self.announce_milestones(batch_id, shown, state["milestones"])
        essence = essence_of(state)
        changed = essence != shown.essence or monotonic() - shown.at > HEARTBEAT
        receivers = list(self.watchers[batch_id] if changed else shown.newcomers)
        shown.newcomers.clear()
        if changed:
            shown.essence, shown.at = essence, monotonic()
        if receivers:
            words = {"sentence": batch.sentence, "reason": batch.reason}
            frame = self.encode({"type": "progress", **state, **words})
            await self.each(receivers, lambda watcher: watcher.show(batch_id, frame))
        if batch.is_final:
            await self.finish(batch_id, NORMAL)
        return bool(receivers)

    async def announce_milestones(self, batch_id: str, shown: Shown, milestones: Iterable[dict[str, Any]]) -> None:
        for row in milestones:
            if shown.essence is not None and row["milestone"] not in shown.milestones:
                await self.tell(batch_id, {"type": "milestone", "batch_id": batch_id, **row})
        shown.milestones = {row["milestone"] for row in milestones}

    async def tell(self, batch_id: str, message: dict[str, Any]) -> None:
        """An event, to those who have had their snapshot."""
        receivers = self.watchers.get(batch_id, set()) - self.shown[batch_id].newcomers
        if receivers:
            frame = self.encode(message)
            await self.each(receivers, lambda watcher: watcher.tell(frame))

    def encode(self, message: dict[str, Any]) -> str:
        """`seq` grows over all frames of a process, and, as it follows the clock, over its restarts."""
        self.seq = max(self.seq + 1, int(time() * 1000))
        return json.dumps({**message, "seq": self.seq}, ensure_ascii=False)

    async def finish(self, batch_id: str, code: int) -> None:
        """Nothing more will come of this batch: a socket that watches no other is closed."""
        for watcher in self.watchers.pop(batch_id, set()):
            if not any(watcher in self.watchers.get(other, ()) for other in watcher.batch_ids):
                self.behind.discard(watcher)
                await self.each([watcher], lambda watcher: watcher.finish(code))
        self.shown.pop(batch_id, None)

    async def send_away(self, admissions: set[Admission]) -> None:
        if admissions:
            for watcher in [one for one in self.everyone() if one.admission in admissions]:
                self.leave(watcher)
                await self.each([watcher], lambda watcher: watcher.finish(RIGHT_LOST))

    async def catch_up(self) -> None:
        for watcher in list(self.behind):
            await self.each([watcher], self.let_catch_up)

    async def let_catch_up(self, watcher: Watcher) -> None:
        if await watcher.catch_up():
            self.behind.discard(watcher)

    async def each(self, watchers: Iterable[Watcher], say: Callable[[Watcher], Awaitable[None]]) -> None:
        """Say it to each of them; a socket that cannot take it is left alone, and disturbs nobody else."""
        for watcher in list(watchers):
            try:
                await say(watcher)
            except Exception as error:  # whatever a server raises for a socket that is gone
                logger.info("a socket could not be written to: %s", error)
                if any(watcher in self.watchers.get(batch_id, ()) for batch_id in watcher.batch_ids):
                    self.leave(watcher)


def essence_of(state: dict[str, Any]) -> Any:
    """What must have changed for a frame to be worth sending; clocks run on by themselves."""
    lanes = [(lane["lane"], lane["worker"], lane["current_item_index"]) for lane in state["lanes"]]
    return lanes, {name: value for name, value in state.items() if name not in MOVING_WITH_TIME}


def status_of(transition: Transition) -> dict[str, Any]:
    return {
        "type": "status",
        "batch_id": transition.batch_id,
        "from": transition.from_status or None,
        "to": transition.to_status,
        "reason": transition.reason,
        "actor": transition.actor,
    }


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())


def open_sockets() -> int:
    """Of this process."""
    return sum(one.sockets.total() for one in list(_hubs.values()))


def dropped_frames() -> int:
    """Frames of this process that newer ones have replaced before a slow client could take them."""
    return sum(one.dropped for one in list(_hubs.values()))
