"""What triage does when the engine reports something: failures are recorded in the chunk's own transaction.

Every lane writes in one order (groups, tracebacks, counters, each sorted), so that lanes cannot block each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

from django.db.models import Exists, OuterRef, Q, QuerySet

from batches.compiled_query import CompiledQuery
from batches.extensions import FailureDescription
from batches.failures import Failure
from batches.lanes import batch_rows
from batches.models import Batch, Item, Retry, Transition
from errors.findings import IN_PAGE_LIMIT, looks
from errors.grouping import failing_now, group_counters, overrides, record_rows, regressions
from errors.grouping.existing_groups import existing_groups
from errors.grouping.seen_failures import see
from errors.groups import background, clean_retries
from errors.models import BatchGroup, ErrorRecord, FailingCount, RecoveryPlan
from errors.recovery import kept_predictions, plan_runs, recommendations


def write_errors(batch: Batch, failures: Sequence[Failure]) -> None:
    """A record a failure, and everything counted: a few statements, however many failed."""
    seen, groups, families = group_counters.groups_for(batch, [see(batch, failure) for failure in failures])
    record_rows.write(batch, seen, groups)
    regressions.reopen_groups(batch, seen, groups)
    for family in families:
        background.gather_soon(family)


def make_final(batch: Batch, items: QuerySet[Item]) -> None:
    """The last failure of these items is final: they are not tried again. Their records are found by the items: there
    may be many of others in the batch."""
    last = Item.objects.filter(pk=OuterRef("item_id"), attempts=OuterRef("attempt"))
    ErrorRecord.objects.filter(Exists(last), item__in=items.values("pk")).update(final=True)


def batch_transitioned(transition: Transition) -> None:
    """Each does its part, whatever becomes of the other: most batches are none of their business."""
    if transition.to_status not in (*Batch.FINAL, *Batch.AT_REST) or not any(CONCERNED.rows([transition.batch_id])):
        return
    try:
        settle_clean_retries(transition)
    finally:
        plan_runs.advance_at_rest(transition)


def concerned(batch_ids: list[str]) -> QuerySet[Batch, tuple[str]]:
    """The batch, if something of it has failed, it was retried, it has a plan, or it is large."""
    rows = (BatchGroup.objects, FailingCount.objects, Retry.objects, RecoveryPlan.objects)
    some = reduce(or_, (Exists(each.filter(batch=OuterRef("pk"))) for each in rows))
    large = Q(total_items__gt=IN_PAGE_LIMIT)
    return Batch.objects.filter(some | large, pk__in=batch_ids).order_by().values_list("pk")


CONCERNED = CompiledQuery(concerned)


def settle_clean_retries(transition: Transition) -> None:
    """A batch that is over decides the groups that wait for a retry of it, and shows what applied advice brought.

    The sweep repeats what gets lost.
    """
    batch_id = transition.batch_id
    if transition.to_status in Batch.FINAL:
        failing_now.refresh(batch_rows.batch_of(batch_id))
        if any(RETRIED.rows([batch_id])):
            clean_retries.settle(batch_id)
            recommendations.verify(batch_id)
            kept_predictions.compare(batch_id)
        looks.look_if_large(batch_id)


RETRIED = CompiledQuery(lambda batch_ids: Retry.objects.filter(batch__in=batch_ids).order_by().values_list("pk")[:1])
"""Without a retry no group waits for one, no advice was carried out, and nothing was predicted."""


def group_rehearsed(batch: Batch, failures: Sequence[Failure]) -> Sequence[FailureDescription]:
    """How the failures of a rehearsal would be grouped; nothing is written."""
    seen = [see(batch, failure) for failure in failures]
    seen, groups = overrides.follow(batch, seen, existing_groups(batch, {each.fingerprint for each in seen}))
    seen, _ = group_counters.in_families(batch, seen, groups)
    return [
        FailureDescription(
            fingerprint=each.fingerprint,
            title=each.identity.title,
            code=each.classification.code,
            category=each.classification.category,
            error_type=each.error_type,
            message=each.message[:1000],
            fields=each.fields,
        )
        for each in seen
    ]
