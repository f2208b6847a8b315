"""What an error does to a group that somebody had closed.

All of it happens in the chunk's transaction, upon rows that recording has locked already; a group that is open, or
ignored for good, costs nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, QuerySet, Sum
from packaging.version import Version

from batches.models import Batch
from batches.processors import version_of
from errors.grouping.existing_groups import Known, SeenFailure, State
from errors.models import BatchGroup, ErrorGroup, GroupChange

LATE = "An attempt that had started before it was resolved failed in the same way."
CAME_BACK = "An attempt that started after it was resolved failed in the same way."


def bring_back(batch: Batch, seen: Sequence[SeenFailure], groups: dict[str, Known]) -> None:
    """Resolved groups regress, or note that they did not; ignored ones come back when their condition is met."""
    for group in sorted({group.id: group for group in groups.values() if group.may_change}.values(), key=by_id):
        failures = [one for one in seen if groups[one.identity.fingerprint].id == group.id]
        if group.state == State.RESOLVED:
            regress(batch, group, failures)
        elif why := ended(batch, group, failures):
            unignore(group.id, group.ignored_at, why)


def by_id(group: Known) -> int:
    return group.id


# -- resolved ----------------------------------------------------------------------------------------------------------


def regress(batch: Batch, group: Known, failures: Sequence[SeenFailure]) -> None:
    """By an attempt that started after the group was resolved, and by the version it was resolved in, or a later one.

    Attempts in flight at that moment are the normal case in a batch: they are counted, and noted once.
    """
    version, resolved_at = version_of(batch.processor), group.resolved_at
    later = [one for one in failures if resolved_at is None or one.failure.started_at > resolved_at]
    still = ErrorGroup.objects.filter(pk=group.id, state=State.RESOLVED, resolved_at=resolved_at)
    if not later:
        note_late(still, group, len(failures), LATE)
    elif is_older(version, group.resolved_in):
        why = f"Version {version} failed in the same way; it is resolved in {group.resolved_in}."
        note_late(still, group, len(failures), why)
    elif still.update(state=State.REGRESSED, resolved_at=None, resolved_in="", late=0):
        remember(group.id, "regress", State.RESOLVED, State.REGRESSED, CAME_BACK)


def is_older(version: str, resolved_in: str) -> bool:
    """A version that is not declared any more may be any: it is not older."""
    return bool(version and resolved_in) and Version(version) < Version(resolved_in)


def note_late(still: QuerySet[ErrorGroup], group: Known, errors: int, why: str) -> None:
    """One note however many come late; how many did stands in the group."""
    if still.filter(late=0).update(late=errors):
        remember(group.id, "late", State.RESOLVED, State.RESOLVED, why)
    else:
        still.update(late=F("late") + errors)


# -- ignored -----------------------------------------------------------------------------------------------------------


def ended(batch: Batch, group: Known, failures: Sequence[SeenFailure]) -> str:
    """Why the group is not to be ignored any longer; empty while it is."""
    (condition, value), *_ = ((name, value) for name, value in group.until.items() if name in CONDITIONS)
    if condition == "date":
        return date_passed(value, max(one.failure.finished_at for one in failures))
    if condition == "next_batch":
        later = group.ignored_at is not None and batch.created_at > group.ignored_at
        return f"un-ignored because it is in batch {batch.pk}, submitted after it was ignored" if later else ""
    if condition == "items":
        return too_many(items_of(group.id) - int(group.until.get("from", 0)), value)
    return too_often(batch, group.id, value)


CONDITIONS = ("date", "items", "rate", "next_batch")


def date_passed(date: str, now: datetime) -> str:
    due = datetime.fromisoformat(date)
    return f"un-ignored because it is {due.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if now >= due else ""


def too_many(items: int, most: int) -> str:
    return f"un-ignored because {items:,} items > {most:,}" if items > most else ""


def items_of(group_id: int) -> int:
    """Items of all batches which the group has met."""
    return int(BatchGroup.objects.filter(group=group_id).aggregate(n=Sum("items", default=0))["n"])


def too_often(batch: Batch, group_id: int, most: float) -> str:
    """By the share of all the batch's items, so that the first failure of a batch is not 100 %."""
    here = BatchGroup.objects.filter(batch=batch, group=group_id)
    for items, total in here.values_list("items", "batch__total_items"):
        if total and 100 * items > most * total:
            rate = 100 * items / total
            return f"un-ignored because {rate:.3g} % > {most:g} % ({items:,} of {total:,} items of batch {batch.pk})"
    return ""


def unignore(group_id: int, ignored_at: Any, why: str) -> bool:
    """Back to the open state it had; False if somebody was first."""
    before = (
        GroupChange.objects.filter(group=group_id, verb="ignore").order_by("-pk").values_list("from_state", flat=True)
    )
    to = before.first() or State.NEW
    still = ErrorGroup.objects.filter(pk=group_id, state=State.IGNORED, ignored_at=ignored_at)
    if not still.update(state=to, ignored_at=None, until={}):
        return False
    remember(group_id, "unignore", State.IGNORED, to, why)
    return True


def remember(group_id: int, verb: str, from_state: str, to_state: str, why: str, actor: str = "") -> None:
    """What happened without anybody pressing a button, or later than it was asked for."""
    GroupChange.objects.create(
        group_id=group_id, verb=verb, from_state=from_state, to_state=to_state, reason=why, actor=actor
    )
