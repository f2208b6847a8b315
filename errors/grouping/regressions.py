"""What an error does to a group that somebody had closed: a resolved one regresses, an ignored one may come back.

Both happen in the chunk's transaction, upon rows that recording has locked already; a group that is open, or ignored
for good, costs nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import F, QuerySet, Sum
from packaging.version import Version

from batches.models import Batch
from batches.processors import version_of
from batches.wording import quantity
from errors.grouping.existing_groups import GroupSnapshot
from errors.grouping.history import record_change
from errors.grouping.seen_failures import SeenFailure
from errors.models import BatchGroup, ErrorGroup, GroupChange

LATE = "An attempt that had started before it was resolved failed in the same way."
CAME_BACK = "An attempt that started after it was resolved failed in the same way."
IGNORE_CONDITIONS = ("date", "items", "rate", "next_batch")


def reopen_groups(batch: Batch, failures: Sequence[SeenFailure], groups: dict[str, GroupSnapshot]) -> None:
    """Resolved groups regress, or note that they did not; ignored ones come back when their condition is met."""
    closed = {group.id: group for group in groups.values() if group.may_reopen}
    for pk, group in sorted(closed.items()):
        own = [seen for seen in failures if groups[seen.fingerprint].id == pk]
        if group.state == ErrorGroup.State.RESOLVED:
            regress(batch, group, own)
        elif why := why_unignored(batch, group, own):
            unignore(group.id, group.ignored_at, why)


# -- resolved ----------------------------------------------------------------------------------------------------------


def regress(batch: Batch, group: GroupSnapshot, failures: Sequence[SeenFailure]) -> None:
    """A resolved group regresses by an attempt that started later, of the version it was resolved in or a later one.

    Attempts in flight at that moment are the normal case in a batch: they are counted, and noted once.
    """
    version, resolved_at = version_of(batch.processor), group.resolved_at
    later = [seen for seen in failures if resolved_at is None or seen.failure.started_at > resolved_at]
    unchanged = ErrorGroup.objects.filter(pk=group.id, state=ErrorGroup.State.RESOLVED, resolved_at=resolved_at)
    if not later:
        note_late(unchanged, group, len(failures), LATE)
    elif is_older(version, group.resolved_in):
        why = f"Version {version} failed in the same way; it is resolved in {group.resolved_in}."
        note_late(unchanged, group, len(failures), why)
    elif unchanged.update(state=ErrorGroup.State.REGRESSED, resolved_at=None, resolved_in="", late=0):
        record_change(group.id, "regress", ErrorGroup.State.RESOLVED, ErrorGroup.State.REGRESSED, reason=CAME_BACK)


def is_older(version: str, resolved_in: str) -> bool:
    """A version that is not declared any more may be any: it is not older."""
    return bool(version and resolved_in) and Version(version) < Version(resolved_in)


def note_late(unchanged: QuerySet[ErrorGroup], group: GroupSnapshot, errors: int, why: str) -> None:
    """One note however many come late; how many did stands in the group."""
    if unchanged.filter(late=0).update(late=errors):
        record_change(group.id, "late", ErrorGroup.State.RESOLVED, ErrorGroup.State.RESOLVED, reason=why)
    else:
        unchanged.update(late=F("late") + errors)


# -- ignored -----------------------------------------------------------------------------------------------------------


def why_unignored(batch: Batch, group: GroupSnapshot, failures: Sequence[SeenFailure]) -> str:
    """Why the group is not to be ignored any longer; empty while it is."""
    (condition, value), *_ = ((name, value) for name, value in group.until.items() if name in IGNORE_CONDITIONS)
    if condition == "date":
        return date_passed(value, max(seen.failure.finished_at for seen in failures))
    if condition == "next_batch":
        later = group.ignored_at is not None and batch.created_at > group.ignored_at
        return f"un-ignored because it is in batch {batch.pk}, submitted after it was ignored" if later else ""
    if condition == "items":
        return too_many(items_of(group.id) - int(group.until.get("from", 0)), value)
    return too_often(batch, group.id, value)


def date_passed(date: str, now: datetime) -> str:
    """Why a group ignored until this date comes back; empty before."""
    due = datetime.fromisoformat(date)
    return f"un-ignored because it is {due.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if now >= due else ""


def too_many(items: int, most: int) -> str:
    """Why a group ignored until more than `most` items comes back; empty while it has no more."""
    return f"un-ignored because {quantity(items, 'item')} > {most:,}" if items > most else ""


def items_of(group_id: int) -> int:
    """How many items the group has met, over all batches."""
    return int(BatchGroup.objects.filter(group=group_id).aggregate(n=Sum("items", default=0))["n"])


def too_often(batch: Batch, group_id: int, most: float) -> str:
    """Why the group is too frequent, by its share of all items: a first failure is not 100 %. Empty while it is not."""
    here = BatchGroup.objects.filter(batch=batch, group=group_id)
    for items, total in here.values_list("items", "batch__total_items"):
        if total and 100 * items > most * total:
            rate = 100 * items / total
            return (
                f"un-ignored because {rate:.3g} % > {most:g} % ({items:,} of {quantity(total, 'item')} of "
                f"batch {batch.pk})"
            )
    return ""


def unignore(group_id: int, ignored_at: Any, why: str) -> bool:
    """Back to the open state it had; False if somebody was first."""
    before = (
        GroupChange.objects.filter(group=group_id, verb="ignore").order_by("-pk").values_list("from_state", flat=True)
    )
    to = before.first() or ErrorGroup.State.NEW
    unchanged = ErrorGroup.objects.filter(pk=group_id, state=ErrorGroup.State.IGNORED, ignored_at=ignored_at)
    if not unchanged.update(state=to, ignored_at=None, until={}):
        return False
    record_change(group_id, "unignore", ErrorGroup.State.IGNORED, to, reason=why)
    return True
