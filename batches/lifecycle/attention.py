"""Which batches that are over have something left to do; lists, badges and retention share this one condition."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q

from batches.extensions import registered
from batches.models import Batch, Checkpoint, Retry

Status = Batch.Status
STOPPED = Q(status__in=(Status.HALTED, Status.FAILED))


def left_to_do() -> Q:
    """As extensions say; without one that does, completed batches in which items have failed."""
    conditions = [extension.needs_attention() for extension in registered() if extension.needs_attention]
    return reduce(or_, conditions) if conditions else has_failed_items() & Q(status=Status.COMPLETED)


def has_failed_items() -> Q:
    failed = Q(failed__gt=0) | Q(quarantined__gt=0)
    return Q(Exists(Checkpoint.objects.filter(failed, batch_id=OuterRef("pk"))))


def has_held_retry() -> Q:
    return Q(pk__in=Retry.objects.filter(state=Retry.State.HELD).order_by().values("batch"))
