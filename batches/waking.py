"""Messages to the workers, and what the database says that there should be."""

from __future__ import annotations

import logging
import socket
from typing import Any

from django.db.models import Q

from batches.engine import rehearsals, turns
from batches.lanes import counters, leases, workers
from batches.lifecycle import digests, schedule, transitions, waiting_for_room
from batches.models import Batch

logger = logging.getLogger("batches")

HINT_EXPIRES_AFTER = 15  # seconds; the next sweep sends another


def sweep_now() -> None:
    """Free the lanes of the dead, settle batches, wake who sleeps while there is work."""
    leases.expire_dead_workers()
    leases.revoke_expired()
    scripts_own = Q(processor="") & ~Q(status__in=(Batch.Status.PAUSING, Batch.Status.CANCELLING))
    for batch in Batch.objects.filter(status__in=Batch.WORKING).exclude(scripts_own):
        transitions.settle(batch.pk)
    schedule.start_due()
    waiting_for_room.resume_stopped()
    digests.queue_due()
    wake_sleepers()
    for pk in rehearsals.unheld().values_list("pk", flat=True):
        enqueue_rehearsal(pk)
    counters.flush()
    counters.record_heartbeat(socket.gethostname(), counters.SWEEP)


def wake_sleepers() -> None:
    """Send a message for each worker process that has nothing to do, if a batch waits for one."""
    batch_id = turns.next_batch()
    if batch_id is not None:
        for lane in range(max(1, workers.sleepers())):
            enqueue_slice(batch_id, lane)


def wake(batch_id: str) -> None:
    """Send a message for each lane of a batch that has something to do now, as far as there are processes for them."""
    batch = Batch.objects.filter(pk=batch_id, status__in=Batch.WORKABLE).first()
    if batch is None or not batch.processor:
        return
    for lane in range(max(1, min(leases.lane_count(batch), workers.sleepers()))):
        enqueue_slice(batch_id, lane)


def enqueue_slice(batch_id: str, lane: int) -> None:
    """Ask a worker to take that lane for a slice."""
    enqueue_by_name("batches.tasks.run_slice", batch_id, lane)


def enqueue_rehearsal(pk: int) -> None:
    """Ask a worker to go on with that rehearsal; the sweep repeats it."""
    enqueue_by_name("batches.tasks.run_rehearsal", pk)


def enqueue_by_name(name: str, *arguments: Any) -> None:
    """Enqueue the task of that name; where the broker is away, the next sweep does it again."""
    from celery import current_app  # a process that sends nothing does without Celery
    from kombu.exceptions import OperationalError

    try:
        current_app.send_task(name, arguments, expires=HINT_EXPIRES_AFTER, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("no message to the workers about %s, the sweep will repeat it: %s", arguments, error)
