"""Who is mailed about a batch: each person once, by whichever of his watches."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from batches.compiled_query import CompiledQuery
from batches.models import Batch, Delivery, Preference, StandingWatch, Watch


def watchers_of(batch_id: str, *, of_milestones: bool) -> dict[int, bool]:
    """Account -> whether it wants its mail as a digest; of milestones only for who watches this very batch."""
    return {user: bool(held) for user, held in (OF_MILESTONES if of_milestones else OF_ENDS).rows([batch_id])}


def watchers(batch_ids: list[str], *, of_milestones: bool) -> QuerySet[Any, tuple[Any, ...]]:
    wants_digest = Exists(Preference.objects.filter(user=OuterRef("user"), digest_hour__isnull=False))
    rows = Watch.objects.filter(batch__in=batch_ids).values_list("user", wants_digest)
    if not of_milestones:
        processor = Batch.objects.filter(pk__in=batch_ids).values("processor")
        standing = StandingWatch.objects.filter(Q(processor="") | Q(processor__in=processor))
        rows = rows.union(standing.values_list("user", wants_digest))
    return rows


OF_MILESTONES = CompiledQuery(partial(watchers, of_milestones=True))
OF_ENDS = CompiledQuery(partial(watchers, of_milestones=False))


def unwatched(messages: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Those about batches that their receiver does not watch in any way."""
    of_all = Q(processor="") | Q(processor=OuterRef("batch__processor"))
    standing = StandingWatch.objects.filter(of_all, user=OuterRef("user"))
    watch = Watch.objects.filter(batch=OuterRef("batch"), user=OuterRef("user"))
    return messages.exclude(Exists(watch) | Exists(standing))
