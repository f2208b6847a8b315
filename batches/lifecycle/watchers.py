"""Who is mailed about a batch: each person once, by whichever of his watches."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from batches.models import Batch, Delivery, Preference, StandingWatch, Watch


def watchers_of(batch_id: str, *, of_milestones: bool) -> dict[int, bool]:
    """Account -> whether it wants its mail as a digest; of milestones only for who watches this very batch."""
    wants_digest = Exists(Preference.objects.filter(user=OuterRef("user"), digest_hour__isnull=False))
    rows = Watch.objects.filter(batch=batch_id).values_list("user", wants_digest)
    if not of_milestones:
        processor = Batch.objects.filter(pk=batch_id).values("processor")
        standing = StandingWatch.objects.filter(Q(processor="") | Q(processor__in=processor))
        rows = rows.union(standing.values_list("user", wants_digest))
    return dict(rows)


def unwatched(messages: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Those about batches that their receiver does not watch in any way."""
    of_all = Q(processor="") | Q(processor=OuterRef("batch__processor"))
    standing = StandingWatch.objects.filter(of_all, user=OuterRef("user"))
    watch = Watch.objects.filter(batch=OuterRef("batch"), user=OuterRef("user"))
    return messages.exclude(Exists(watch) | Exists(standing))
