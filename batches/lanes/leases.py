"""Who holds a lane of a batch, and whether its worker is alive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet

from batches.clock import ago, now_sql
from batches.commits import not_waited_for
from batches.compiled_query import CompiledQuery, CompiledRows
from batches.exceptions import LeaseLost
from batches.lanes import counters, global_pause, leased_rows, unknown_outcomes, workers
from batches.models import Batch, Checkpoint, Crash, Item, Tenure
from batches.worker_names import is_dead, of_this_origin, worker_name

CRASHES_ALLOWED = 2


@dataclass(slots=True)
class Lease:
    """This process's hold on a lane: the fence every commit must name, and where the lane stands."""

    checkpoint_id: int
    batch_id: str
    lane: int
    fence: int
    worker: str
    position: int
    careful: int


def lane_count(batch: Batch) -> int:
    """How many lanes may run at once; SQLite has one writer."""
    return batch.concurrency if connection.vendor == "postgresql" else 1


def ensure_lanes(batch: Batch) -> None:
    """A checkpoint row for every lane the batch may use; nothing is written where they are all there."""
    add_missing(batch, (lane for lane, *_ in LANES.rows([batch.pk])))


def add_missing(batch: Batch, lanes: Iterable[int]) -> bool:
    """A row for each lane that the batch may use, and that is not among these; whether there was one."""
    missing = sorted(set(range(lane_count(batch))).difference(lanes))
    if missing:
        rows = [Checkpoint(batch=batch, lane=lane) for lane in missing]
        Checkpoint.objects.bulk_create(rows, ignore_conflicts=True)
    return bool(missing)


def lanes_of(batch_ids: list[str]) -> QuerySet[Checkpoint, tuple[Any, ...]]:
    """Number, holder, and whether the holder's lease ran out."""
    is_lost = ExpressionWrapper(Q(lease_expires_at__lte=ago(timedelta())), output_field=BooleanField())
    return Checkpoint.objects.filter(batch__in=batch_ids).order_by().values_list("lane", "worker", is_lost)


LANES = CompiledQuery(lanes_of)


def has_free(batch: Batch, lane: int | None = None) -> bool:
    """Whether nobody holds the batch's lane, or any of its lanes; those whose lease ran out are freed before, and those
    that it lacks are added."""
    lanes = list(LANES.rows([batch.pk]))
    lost = any(worker and is_lost for _, worker, is_lost in lanes)
    if (lost and revoke_expired(batch.pk)) or add_missing(batch, (number for number, *_ in lanes)):
        lanes = list(LANES.rows([batch.pk]))
    return any(not worker and number < lane_count(batch) and lane in (None, number) for number, worker, _ in lanes)


def first_free(batch_ids: list[str], least: int, most: int) -> QuerySet[Checkpoint]:
    """The first lane from `least` to `most` that no worker holds, without those that another takes at this moment."""
    free = Checkpoint.objects.filter(batch__in=batch_ids, worker="", lane__gte=least, lane__lte=most)
    locked = free.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
    return locked.order_by("lane")


FIRST_FREE = CompiledRows(Checkpoint, first_free)


def take(batch: Batch, lane: int | None = None) -> Lease | None:
    """Hold a free lane of the batch, `lane` or any; None when there is none, or the batch is not to be worked on."""
    return take_lane(batch, lane) if has_free(batch, lane) else None


def take_lane(batch: Batch, lane: int | None, *, is_held: bool = False) -> Lease | None:
    """Hold the first free lane. A lane that somebody takes at this moment is passed over, not waited for; one statement
    decides between two who want it.

    Who pauses or cancels the batch looks at its lanes, perhaps in one transaction with much else. The batch's row is
    held meanwhile, so that whoever comes second sees what the first one did. `is_held`: the caller's transaction holds
    it, and the batch is to be worked on.
    """
    with transaction.atomic(savepoint=False):
        row = hold_lane(batch, lane) if is_held or holds_still(batch) else None
    if row is None:
        return None
    counters.add("lease_takeovers", "unclean" if row.careful else "clean")
    return Lease(row.pk, batch.pk, row.lane, row.fence, row.worker, row.position, row.careful)


def hold_lane(batch: Batch, lane: int | None) -> Checkpoint | None:
    """Returns the lane as it is then; in a transaction that holds the batch's row."""
    least, most = (0, lane_count(batch) - 1) if lane is None else (lane, min(lane, lane_count(batch) - 1))
    row = FIRST_FREE.first([batch.pk], least, most)
    if row is None or not leased_rows.take(Checkpoint.objects.filter(pk=row.pk, worker=""), worker=worker_name()):
        return None
    row.worker, row.fence = worker_name(), row.fence + 1  # it is held: nobody else has changed it meanwhile
    remember_holder(batch, row)
    return row


def holds_still(batch: Batch) -> bool:
    """Whether the batch is to be worked on, and not everything is paused; its status stays what it is until the
    transaction ends. SQLite, which has one writer, needs a statement that writes for that."""
    if connection.vendor != "postgresql":
        return bool(workable([batch.pk]).update(status=F("status")))
    return any(WORKABLE.rows([batch.pk]))


def workable(batch_ids: list[str]) -> QuerySet[Batch]:
    return Batch.objects.filter(~global_pause.is_in_force(), pk__in=batch_ids, status__in=Batch.WORKABLE)


WORKABLE = CompiledQuery(lambda batch_ids: workable(batch_ids).order_by().values_list("pk"), suffix=" FOR SHARE")


def remember_holder(batch: Batch, row: Checkpoint) -> None:
    """Write since when this worker holds the lane: by the machine's clock, as the times of its items are."""
    had_holder = row.fence > 1
    last = next((name for (name,) in LAST_HOLDER.rows([batch.pk], row.lane)), None) if had_holder else None
    if last != row.worker:
        Tenure.objects.create(batch=batch, lane=row.lane, worker=row.worker, since=datetime.now(UTC))


def last_holder(batch_ids: list[str], lane: int) -> QuerySet[Tenure, tuple[str]]:
    return Tenure.objects.filter(batch__in=batch_ids, lane=lane).order_by("-since").values_list("worker")[:1]


LAST_HOLDER = CompiledQuery(last_holder)


def renew(lease: Lease) -> None:
    """Hold the lane for another lease's length while waiting; `LeaseLost` when somebody else has it."""
    if not leased_rows.keep(_held(lease)):
        raise lost(lease)


def try_to_renew(lease: Lease) -> None:
    """The same for somebody who is busy: whether the lane is still his is decided when he records."""
    leased_rows.keep(_held(lease))


@not_waited_for()
def release(lease: Lease) -> None:
    """Give the lane back, clean. Nothing happens when it was taken over already.

    If the server dies at that moment, the lane may be held still: until its lease ends.
    """
    if leased_rows.give_up(_held(lease), worker="", in_flight=None):
        unknown_outcomes.resolve_lost_calls(lease.batch_id, lease.lane, lease.worker)


def mark_in_flight(lease: Lease, item_id: int) -> None:
    """Commit that this item is about to run, so that its crash is remembered."""
    if not leased_rows.keep(_held(lease), in_flight=item_id):
        raise lost(lease)


def lost(lease: Lease) -> LeaseLost:
    """The error of a worker whose lane is another's."""
    return LeaseLost(f"Lane {lease.lane} of batch {lease.batch_id} was taken over.")


def _held(lease: Lease) -> QuerySet[Checkpoint]:
    return Checkpoint.objects.filter(pk=lease.checkpoint_id, fence=lease.fence, worker=lease.worker)


def held_lanes(batch_id: str) -> QuerySet[Checkpoint]:
    """Lanes whose holder may still commit."""
    return Checkpoint.objects.filter(batch_id=batch_id, lease_expires_at__gt=now_sql()).exclude(worker="")


def revoke_expired(batch_id: str | None = None) -> int:
    """Take lanes from workers whose lease ran out; the next one does their items one by one. Returns how many lanes."""
    expired = EXPIRED.rows() if batch_id is None else EXPIRED_OF.rows([batch_id])
    return sum(revoke(pk) for (pk,) in list(expired))


def expired_lanes() -> QuerySet[Checkpoint, tuple[int]]:
    """Held ones whose lease ran out."""
    held = Checkpoint.objects.exclude(worker="").order_by()
    return held.filter(lease_expires_at__lte=ago(timedelta())).values_list("pk")


EXPIRED = CompiledQuery(expired_lanes)
EXPIRED_OF = CompiledQuery(lambda batch_ids: expired_lanes().filter(batch__in=batch_ids))


@transaction.atomic
def revoke(checkpoint_id: int) -> bool:
    """Raise the fence of an expired lane and count the crash of the item that was in flight, if one was marked."""
    locked = Checkpoint.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
    row = locked.filter(pk=checkpoint_id, lease_expires_at__lte=now_sql()).exclude(worker="").first()
    if row is None:
        return False
    batch = Batch.objects.only("checkpoint_every", "processor").get(pk=row.batch_id)
    if is_for_others(batch, row):
        return False
    lost_calls = unknown_outcomes.resolve_lost_calls(row.batch_id, row.lane, row.worker)
    Checkpoint.objects.filter(pk=row.pk).update(
        fence=F("fence") + 1,
        worker="",
        lease_expires_at=None,
        careful=max(lost_calls, batch.checkpoint_every),
        in_flight=None,
    )
    if row.in_flight_id is not None:
        Item.objects.filter(pk=row.in_flight_id).update(crashes=F("crashes") + 1)
        Crash.objects.create(item_id=row.in_flight_id, worker=row.worker, at=now_sql())
    transaction.on_commit(partial(counters.add, "worker_deaths", cause_of_death(row.worker)))
    return True


def is_for_others(batch: Batch, row: Checkpoint) -> bool:
    """Whether the lane has calls out of a processor that this process does not know, and another worker does: what
    becomes of lost calls is the processor's to say."""
    if not batch.processor or unknown_outcomes.processor_or_none(batch) is not None:
        return False
    out = Item.objects.filter(batch=batch, lane=row.lane, claimed_at__isnull=False, status=Item.Status.RUNNING)
    return out.exists() and workers.could_run(batch)


def cause_of_death(worker: str) -> str:
    """`process`: it has ended. `lease`: it did not renew its lease, so it froze, or its machine is gone."""
    return "process" if is_dead(worker) else "lease"


def expire_dead_workers() -> int:
    """End the leases of workers that have ended, as far as their pids can be judged here; returns how many lanes that
    freed."""
    held = Checkpoint.objects.filter(worker__contains=of_this_origin(), lease_expires_at__isnull=False)
    dead = {name for name in held.values_list("worker", flat=True).distinct() if is_dead(name)}
    return Checkpoint.objects.filter(worker__in=dead).update(lease_expires_at=now_sql()) if dead else 0
