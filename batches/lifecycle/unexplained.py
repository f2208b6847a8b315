"""Items set aside because they kill workers, although a worker that they are said to have killed lived on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from batches.exceptions import InvalidInput
from batches.models import Batch, Crash, Item, Worker

CODE = "WORKER_CRASH"
LIVED_ON = timedelta(seconds=10)
"""A worker that was heard of so long after its death was not dead."""


def unexplained(batch: Batch) -> QuerySet[Item]:
    """Quarantined items that no crash of their own explains."""
    return Item.objects.filter(condition(batch, True), batch=batch, status=Item.Status.QUARANTINED)


def condition(batch: Batch, value: Any) -> Q:
    """The condition on quarantined items; the value is true."""
    if value is not True:
        raise InvalidInput("unexplained must be true.", {"unexplained": ["Must be true."]})
    heard = Worker.objects.filter(name=OuterRef("worker")).values("heard_at")
    survived = Crash.objects.filter(item=OuterRef("pk")).annotate(heard_at=Subquery(heard))
    return Q(Exists(survived.filter(heard_at__gt=F("at") + LIVED_ON)), code=CODE, status=Item.Status.QUARANTINED)
