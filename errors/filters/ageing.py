"""Which new groups nobody has looked at for too long: a badge and a filter, never a change of state."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import BooleanField, Case, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Now
from django.db.models.lookups import IsNull

from batches.models import Batch
from errors.models import BatchGroup, ErrorGroup

AGEING_AFTER = timedelta(days=7)
CLEAN_BATCHES = 3
AGEING_MEANS = f"New for {AGEING_AFTER.days} days or {CLEAN_BATCHES} clean batches, and nobody has looked at it."


def is_ageing(group: str = "") -> Q:
    """New for 7 days, or for 3 batches that completed without it; `group` is the lookup to a group, like "group__"."""
    new_for_long = Q(**{f"{group}first_seen__lte": Now() - AGEING_AFTER})
    # A value and not `Exists`, which drops the order: in that, only the first batches since then are looked at.
    third_clean = clean_batches(group).order_by("created_at").values("created_at")[CLEAN_BATCHES - 1 : CLEAN_BATCHES]
    return Q(**{f"{group}state": ErrorGroup.State.NEW}) & (new_for_long | Q(IsNull(Subquery(third_clean), False)))


def ageing_flag(group: str = "") -> Case:
    """Whether a group is ageing, to annotate rows with."""
    return Case(When(is_ageing(group), then=Value(True)), default=Value(False), output_field=BooleanField())


def clean_batches(group: str) -> QuerySet[Batch]:
    """Batches of the group's processor, submitted since it was seen last, that completed without it."""
    met = BatchGroup.objects.filter(batch=OuterRef("pk"), group=OuterRef(OuterRef(f"{group}pk")))
    return Batch.objects.filter(
        ~Exists(met),
        processor=OuterRef(f"{group}processor"),
        status=Batch.Status.COMPLETED,
        created_at__gt=OuterRef(f"{group}last_seen"),
    )
