"""Retention: rules by which batches that ended long ago are archived or deleted, every hour, by the beat.

What somebody has to look at still, is watched or is at work stays, whatever a rule says; the statement that begins a
removal asks so once more.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import and_

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from batches.conf import settings
from batches.exceptions import InvalidTransition
from batches.lifecycle import attention, removals
from batches.models import Batch, Removal, RetentionRule, RetentionRun, Watch

logger = logging.getLogger("batches")
Outcome = RetentionRule.Outcome
Status = Batch.Status

ACTOR = "retention"
"""Who acts, in the history of batches and the record of those that are gone."""
MOST_PER_RUN = 500
"""Batches that a run begins to remove."""
LEAST_PAUSE = timedelta(minutes=10)
"""Every worker's beat asks for a run; one is enough."""
RUNS_KEPT_FOR = timedelta(days=30)
FROM_SETTINGS = (
    (RetentionRule.Action.ARCHIVE, "PORTAL_ARCHIVE_AFTER_DAYS"),
    (RetentionRule.Action.DELETE, "PORTAL_DELETE_AFTER_DAYS"),
)


def rules() -> list[RetentionRule]:
    """The stored rules; where nobody has made one, those that the settings say, which are not stored."""
    stored = list(RetentionRule.objects.all())
    if stored:
        return stored
    days = [(action, int(getattr(settings, name))) for action, name in FROM_SETTINGS]
    return [RetentionRule(action=action, after_days=after) for action, after in days if after > 0]


# -- which batches -----------------------------------------------------------------------------------------------------


def old_enough(rule: RetentionRule, now: datetime) -> QuerySet[Batch]:
    """The batches that the rule names, the oldest first."""
    statuses = removals.REMOVABLE[Removal.Kind(rule.action)]
    ended = Q(status__in=[status for status in statuses if status in Batch.FINAL])
    rows = Batch.objects.filter(ended, finished_at__lte=now - timedelta(days=rule.after_days))
    if rule.processor:
        rows = rows.filter(processor=rule.processor)
    return rows.filter(of_outcome(rule.outcome)).order_by("finished_at", "pk")


def of_outcome(outcome: str) -> Q:
    """Of batches that are over; archived ones are what they were before."""
    if outcome == Outcome.ANY:
        return Q()
    cancelled = was(Status.CANCELLED)
    if outcome == Outcome.CANCELLED:
        return cancelled
    if outcome == Outcome.FAILED:
        return was(Status.FAILED)
    completed = was(Status.COMPLETED)
    failed = attention.has_failed_items()
    return completed & (~failed if outcome == Outcome.CLEAN else failed)


def was(status: str) -> Q:
    archived = Removal.objects.filter(batch_id=OuterRef("pk"), kind=Removal.Kind.ARCHIVE, status_before=status)
    return Q(status=status) | (Q(status=Status.ARCHIVED) & Q(Exists(archived)))


def reasons_to_keep(rule: RetentionRule) -> Mapping[str, Q]:
    """Why a batch stays although it is old enough, the first that fits; by words for people.

    Who names failed batches has looked at them; what is left to do in them keeps them, as it does any other.
    """
    names_failed = rule.outcome == Outcome.FAILED
    refused = Removal.objects.filter(batch_id=OuterRef("pk"), state=Removal.State.REFUSED)
    return {
        **({} if names_failed else {"failed": Q(status=Status.FAILED)}),
        "unresolved": (attention.has_held_retry() | attention.left_to_do()) & ~Q(status=Status.ARCHIVED),
        "watched": Q(Exists(Watch.objects.filter(batch_id=OuterRef("pk")))),
        "at work": ~removals.at_rest(),
        "breaks a promise": Q(Exists(refused)),
    }


def may_go(rule: RetentionRule) -> Q:
    """None of the reasons to keep a batch fits."""
    return reduce(and_, (~condition for condition in reasons_to_keep(rule).values()))


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a rule would do now: batches and items that would go, and batches that stay, by why."""

    rule: RetentionRule
    batches: int
    items: int
    kept: Mapping[str, int]


def dry_run(rule: RetentionRule, now: datetime | None = None) -> DryRun:
    """It changes nothing."""
    rows, kept = old_enough(rule, now or timezone.now()).order_by(), dict[str, int]()
    for reason, condition in reasons_to_keep(rule).items():
        kept[reason] = rows.filter(condition).count()
        rows = rows.exclude(condition)
    going = rows.aggregate(batches=Count("pk"), items=Sum("total_items", filter=~Q(status=Status.ARCHIVED)))
    return DryRun(rule, going["batches"], going["items"] or 0, {reason: n for reason, n in kept.items() if n})


# -- doing it ----------------------------------------------------------------------------------------------------------


def run(now: datetime | None = None) -> RetentionRun | None:
    """Apply every active rule, and keep what was done; None where a run has just begun."""
    now = now or timezone.now()
    if RetentionRun.objects.filter(at__gt=now - LEAST_PAUSE, at__lte=now).exists():
        return None
    done = RetentionRun.objects.create(at=now)
    try:
        apply([rule for rule in rules() if rule.active], done, now)
    except Exception as error:
        RetentionRun.objects.filter(pk=done.pk).update(problem=f"{type(error).__name__}: {error}"[:1000])
        raise
    done.finished_at = timezone.now()
    done.save()
    RetentionRun.objects.filter(at__lt=now - RUNS_KEPT_FOR).delete()
    return done


def apply(active: Sequence[RetentionRule], done: RetentionRun, now: datetime) -> None:
    kept = Counter[str]()
    for rule in active:
        kept.update(dry_run(rule, now).kept)
        condition = may_go(rule)
        for batch in old_enough(rule, now).filter(condition)[: MOST_PER_RUN - done.archived - done.deleted]:
            try:
                done.items += begin(batch, rule, condition).items
            except InvalidTransition:
                kept["at work"] += 1  # somebody was quicker
                continue
            done.archived += rule.action == RetentionRule.Action.ARCHIVE
            done.deleted += rule.action == RetentionRule.Action.DELETE
    done.kept = dict(kept)


def begin(batch: Batch, rule: RetentionRule, condition: Q) -> Removal:
    """Raises `InvalidTransition` if the condition does not hold any more."""
    return removals.begin(batch, rule.action, actor=ACTOR, reason=f"Rule: {rule}.", rule=str(rule), only_if=condition)


def last_run() -> RetentionRun | None:
    """The latest that came to its end."""
    return RetentionRun.objects.filter(finished_at__isnull=False).first()
