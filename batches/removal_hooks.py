"""What another app does when a batch at rest is deleted or archived."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batches.models import Batch


def no_contents(batch: Batch, archive: bool) -> Mapping[str, int]:
    return {}


def no_remarks(batch: Batch) -> Sequence[str]:
    return ()


def none_in_hand(batch: Batch, why: str) -> None:
    return None


def no_rows_of_items(batch: Batch, items: Sequence[int], archive: bool) -> int:
    return 0


def no_rows(batch: Batch, limit: int, archive: bool) -> int:
    return 0


def no_summary(batch: Batch) -> Mapping[str, Any]:
    return {}


def nothing_left(batch: Batch) -> int:
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalHooks:
    """An app's part in it. What hangs on a batch by a foreign key goes with it; these are for what is much, what lies
    elsewhere, and what is counted."""

    contents: Callable[[Batch, bool], Mapping[str, int]] = no_contents
    """What the app has of a batch, by a noun in the plural: what would go if it were deleted; True: archived."""
    remarks: Callable[[Batch], Sequence[str]] = no_remarks
    """Sentences on what of the app would stay if the batch were deleted."""
    begun: Callable[[Batch, str], None] = none_in_hand
    """Within the transaction that begins it: what of the batch is in hand ends, and says why."""
    items_removed: Callable[[Batch, Sequence[int], bool], int] = no_rows_of_items
    """Within the transaction that removes the items of these ids, before it does: the app's own rows of them go. True:
    the batch is archived, and its counts stay. Answers how many rows went."""
    rows_removed: Callable[[Batch, int, bool], int] = no_rows
    """The same for rows of the batch that belong to no item, so many at most; called until it answers 0."""
    summary: Callable[[Batch], Mapping[str, Any]] = no_summary
    """What of the app stays of an archived batch, as JSON, read before its items go."""
    archived: Callable[[Batch], int] = nothing_left
    """At the end, for an archived batch: what is of no use without its items goes. Answers how many rows went."""
