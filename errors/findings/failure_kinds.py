"""How a batch's failures divide into those that never pass and those that may, by what its retries did."""

from __future__ import annotations

from django.db.models import Count, Q

from batches.models import Batch
from errors.advice.problems import TwoKinds, two_kinds
from errors.models import ErrorRecord


def kinds_of(batch: Batch) -> TwoKinds | None:
    """How often retries fail again, of items that were retried; rate limits do not count."""
    tried = ErrorRecord.objects.filter(batch=batch, item__attempts__gte=2).exclude(category="rate_limit")
    counts = tried.aggregate(
        first=Count("pk", filter=Q(attempt=1)),
        second=Count("pk", filter=Q(attempt=2)),
        again=Count("pk", filter=Q(attempt=2, item__attempts__gte=3)),
        third=Count("pk", filter=Q(attempt=3)),
    )
    thrice = counts["third"] * counts["second"] / counts["again"] if counts["again"] else 0.0
    return two_kinds(counts["first"], counts["second"], thrice)
