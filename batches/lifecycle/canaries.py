"""Whether the rest of a retry may follow the first of its items: its canary, and a hundred more."""

from __future__ import annotations

from django.db.models import Count

from batches.models import RetriedItem, Retry
from batches.proportions import wilson
from batches.wording import quantity

SECOND_WAVE = 100
LEAST_SHARE = 0.2
"""Of a canary so many must recover that this share of all items may."""
NEW_FAILURES_SHARE, NEW_FAILURES_LEAST = 0.1, 2
"""More of the first items than these failed in one new way: something else is wrong now."""


def least_needed(canary: int) -> int:
    """How many of a canary must recover that all of the items may do so at a rate of 20 %, by Wilson's interval."""
    return next(k for k in range(1, canary + 1) if wilson(k, canary)[1] >= LEAST_SHARE) if canary else 0


def tried(retry: Retry) -> int:
    """Items of the retry that were put back."""
    return retry.retried.exclude(fate__in=(RetriedItem.Fate.WAITING, RetriedItem.Fate.SKIPPED)).count()


def recovered(retry: Retry) -> int:
    return retry.retried.filter(fate=RetriedItem.Fate.RECOVERED).count()


def may_fill_up(retry: Retry, in_flight: int) -> bool:
    """Whether items may follow while some are in flight: not before the canary and the second wave are judged."""
    return not retry.canary or tried(retry) - in_flight >= retry.canary + SECOND_WAVE


def objection(retry: Retry) -> str:
    """Why the rest must not follow: too little of the canary recovered, or the first items failed in a new way.

    Empty if it may; always once a person has overruled it, which sets `needed` to 0.
    """
    done, rest = tried(retry), retry.retried.filter(fate=RetriedItem.Fate.WAITING)
    if not retry.needed or not 0 < done <= retry.canary + SECOND_WAVE or not rest.exists():
        return ""
    successes = recovered(retry)
    if retry.state == Retry.State.CANARY and successes < min(retry.needed, done):
        return f"{successes:,} of the {quantity(done, 'item')} of the canary recovered; {retry.needed:,} were asked for"
    worst = most_in_a_new_way(retry)
    if worst < NEW_FAILURES_LEAST or worst <= NEW_FAILURES_SHARE * done:
        return ""
    return f"{worst:,} of the first {quantity(done, 'item')} failed in a way that none of them had before"


def most_in_a_new_way(retry: Retry) -> int:
    """Of the ways to fail that none of the retry's items had before, the items of the most frequent one."""
    rows = retry.retried.order_by()
    new = rows.filter(fate=RetriedItem.Fate.DIFFERENT).exclude(kind_after__in=rows.values("kind_before"))
    worst = new.values("kind_after").annotate(n=Count("pk")).order_by("-n").first()
    return worst["n"] if worst else 0


def overrule(retry: Retry) -> None:
    """A person has seen why it is held, and wants the rest to go all the same."""
    retry.needed = 0
    retry.save(update_fields=["needed"])
