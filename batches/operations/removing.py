"""Delete and archive: a batch at rest goes, by workers, a little at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batches.extensions import registered
from batches.lifecycle import removals, retention
from batches.models import Batch, Removal, RetentionRun
from batches.operations.lookups import get_batch

BYTES_PER_ITEM, BYTES_PER_ERROR = 700, 580
"""Of the database, with indexes; measured by tests/bench/growth.py."""


@dataclass(frozen=True, slots=True)
class RemovalPlan:
    """What would go of a batch, what would stay, and why it cannot be done now; `refusal` is empty if it can."""

    batch: Batch
    kind: str
    contents: Mapping[str, int]
    """By a noun in the plural; without what there is none of."""
    database_bytes: int
    """About so many of the database."""
    remarks: Sequence[str]
    refusal: str

    @property
    def rows(self) -> list[tuple[str, int]]:
        """(noun, number) of what would go."""
        return list(self.contents.items())


def removal_plan(batch_id: str, kind: str) -> RemovalPlan:
    """What `delete` or `archive` would do; it changes nothing."""
    batch = get_batch(batch_id)
    contents = removals.contents_of(batch, kind)
    refusable = Batch.objects.filter(removals.at_rest(), pk=batch.pk, status__in=removals.REMOVABLE[Removal.Kind(kind)])
    return RemovalPlan(
        batch=batch,
        kind=kind,
        contents={noun: n for noun, n in contents.items() if n},
        database_bytes=contents["items"] * BYTES_PER_ITEM + contents.get("errors", 0) * BYTES_PER_ERROR,
        remarks=remarks_of(batch, kind),
        refusal="" if refusable.exists() else str(removals.refusal(batch.pk, kind)),
    )


def removable_as(batch: Batch) -> list[str]:
    """How the batch could go by its status: `archive`, `delete`, both or neither."""
    return [
        kind.value for kind in (Removal.Kind.ARCHIVE, Removal.Kind.DELETE) if batch.status in removals.REMOVABLE[kind]
    ]


def remarks_of(batch: Batch, kind: str) -> list[str]:
    """What stays, in sentences."""
    if kind == Removal.Kind.ARCHIVE:
        return [
            "What stays: its counts, its history, its error groups with their counts, and that its promises held.",
            "They are looked at first: if one is broken, nothing is archived.",
        ]
    own = ["What stays: one line in the record of deleted batches, with who, when, why and how much."]
    return own + [remark for extension in registered() for remark in extension.removal.remarks(batch)]


def delete(batch_id: str, *, actor: str = "", reason: str = "") -> Removal:
    """Have all of a batch at rest removed. Raises `InvalidTransition` while anything of it runs.

    Asking again while it goes answers the removal under way.
    """
    return begin(batch_id, Removal.Kind.DELETE, actor, reason)


def archive(batch_id: str, *, actor: str = "", reason: str = "") -> Removal:
    """Have items and errors of a batch that has ended removed, and a summary kept. Raises as `delete` does."""
    return begin(batch_id, Removal.Kind.ARCHIVE, actor, reason)


def begin(batch_id: str, kind: str, actor: str, reason: str) -> Removal:
    batch = get_batch(batch_id)
    under_way = removals.running_of(batch.pk)
    if under_way is not None and under_way.kind == kind:
        return under_way
    return removals.begin(batch, kind, actor=actor, reason=reason)


def last_removal(batch_id: str) -> Removal | None:
    """The latest removal of that batch, also of one that is gone."""
    return Removal.objects.filter(batch_id=batch_id).first()


def run_retention() -> RetentionRun | None:
    """Apply the rules of retention now; None where a run has just begun."""
    return retention.run()
