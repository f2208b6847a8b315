"""Who works, on what, and what waits for them: for the page of workers and REST."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max

from batches import clock
from batches.engine import servers
from batches.lanes import counters, quotas, workers
from batches.lanes.quotas import QuotaState
from batches.models import Batch, Checkpoint, Tally, Transition, Worker


@dataclass(frozen=True, slots=True)
class HeldLane:
    """A lane that a worker holds."""

    batch_id: str
    lane: int
    lease_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A process that works, or did within a day. `declined`: by batch, why it leaves that to others."""

    name: str
    host: str
    alive: bool
    code: str
    processors: list[str]
    declined: dict[str, str]
    started_at: datetime
    heard_at: datetime
    lanes: list[HeldLane]


@dataclass(frozen=True, slots=True)
class Workforce:
    """All of it at one moment; times of waiting in seconds, `messages` None where the broker does not say."""

    processes: list[WorkerProcess]
    alive: int
    lanes_held: int
    batches_waiting: int
    oldest_wait_seconds: float | None
    messages: int | None
    broker: str
    channel_layer: str
    last_sweep_at: datetime | None
    beat_heard_at: datetime | None
    quotas: list[QuotaState]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, with ISO 8601 times in UTC."""
        return clock.with_iso_times(asdict(self))  # type: ignore[no-any-return]


def workforce() -> Workforce:
    """As it is now; the servers are asked, which takes a second or two where they do not answer."""
    held, alive, states = held_lanes(), workers.presence().alive, servers.states()
    rows = sorted(Worker.objects.all(), key=lambda row: (row.pk not in alive, row.host, -row.heard_at.timestamp()))
    since = waiting_since()
    return Workforce(
        processes=[process_of(row, row.pk in alive, held[row.pk]) for row in rows],
        alive=len(alive),
        lanes_held=sum(map(len, held.values())),
        batches_waiting=len(since),
        oldest_wait_seconds=round((clock.now() - min(since)).total_seconds(), 1) if since else None,
        messages=servers.messages_waiting(),
        broker=states["broker"],
        channel_layer=states["layer"],
        last_sweep_at=last_heard(counters.SWEEP),
        beat_heard_at=last_heard(counters.WORKER),
        quotas=quotas.states(),
    )


def process_of(row: Worker, alive: bool, lanes: list[HeldLane]) -> WorkerProcess:
    return WorkerProcess(
        name=row.name,
        host=row.host,
        alive=alive,
        code=row.code,
        processors=sorted(row.processors),
        declined=row.declined,
        started_at=row.started_at,
        heard_at=row.heard_at,
        lanes=lanes,
    )


def held_lanes() -> dict[str, list[HeldLane]]:
    """By worker, the lanes that are held."""
    held: dict[str, list[HeldLane]] = defaultdict(list)
    for lane in Checkpoint.objects.exclude(worker="").order_by("batch", "lane"):
        held[lane.worker].append(HeldLane(lane.batch_id, lane.lane, lane.lease_expires_at))
    return held


def waiting_since() -> list[datetime]:
    """Since when each batch waits that was started and that no worker has had."""
    queued = Transition.objects.filter(batch__status=Batch.Status.QUEUED, to_status=Batch.Status.QUEUED)
    rows = queued.exclude(batch__processor="").order_by().values_list("batch").annotate(since=Max("at"))
    return [since for _, since in rows]


def last_heard(name: str) -> datetime | None:
    """When a heartbeat of that name was last written, on whatever host."""
    return Tally.objects.filter(name=name).aggregate(at=Max("at"))["at"]
