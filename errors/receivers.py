"""What triage does when the engine reports something: failures are recorded in the chunk's own transaction.

Every lane writes in one order (groups, tracebacks, counters, each sorted), so that lanes cannot block each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from batches.lanes.outcomes import Failure
from batches.models import Batch
from batches.signals import batch_transitioned, item_failed, items_rehearsed
from errors import tasks
from errors.grouping import group_counters, overrides, record_rows, regressions
from errors.grouping.existing_groups import existing_groups
from errors.grouping.seen_failures import see
from errors.groups import clean_retries
from errors.recovery import recommendations


@receiver(item_failed)
def write_errors(sender: type[Batch], batch: Batch, failures: Sequence[Failure], **kwargs: Any) -> None:
    """A record a failure, and everything counted: a few statements, however many failed."""
    seen, groups = group_counters.groups_for(batch, [see(batch, failure) for failure in failures])
    record_rows.write(batch, seen, groups)
    regressions.reopen_groups(batch, seen, groups)


@receiver(batch_transitioned)
def settle_clean_retries(sender: type[Batch], batch_id: str, to_status: str, **kwargs: Any) -> None:
    """A batch that is over decides the groups that wait for a retry of it, and shows what applied advice brought.

    The sweep repeats what gets lost.
    """
    if to_status in Batch.FINAL:
        clean_retries.settle(batch_id)
        recommendations.verify(batch_id)
        tasks.look_if_large(batch_id)


@receiver(items_rehearsed)
def group_rehearsed(
    sender: type[Batch], batch: Batch, failures: Sequence[Failure], **kwargs: Any
) -> list[dict[str, Any]]:
    """How the failures of a rehearsal would be grouped; nothing is written."""
    seen = [see(batch, failure) for failure in failures]
    seen, _ = overrides.follow(batch, seen, existing_groups(batch, {each.fingerprint for each in seen}))
    return [
        {
            "fingerprint": each.fingerprint,
            "title": each.identity.title,
            "category": each.classification.category,
            "code": each.classification.code,
            "error_type": each.error_type,
            "message": each.message[:1000],
            "fields": each.fields,
        }
        for each in seen
    ]
