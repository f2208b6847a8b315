"""Run again: a new batch of the same rows and parameters, which says which it follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from batches import processors, unfinished
from batches.exceptions import InvalidInput, InvalidTransition, OperationInProgress
from batches.intake import ingest, staging
from batches.lanes import leases
from batches.lifecycle import removals, transitions
from batches.models import Batch, Correction, Fix, ParameterFile
from batches.operations.lookups import get_batch
from batches.operations.submission import (
    OPTIONS,
    Submission,
    proposed_id,
    refuse_bad_options,
    refuse_bad_start,
    stored_once,
)
from batches.processors.stored_params import params_of
from batches.unfinished import Unfinished
from batches.wording import quantity

VERB = "run again"
COPIED = ("name", "processor", "params", "params_cleaned", "total_items", *(n for n in OPTIONS if n != "start_at"))
"""What the new batch has of the one that it follows."""


@dataclass(frozen=True, slots=True)
class RerunPlan:
    """What running a batch again would mean, in sentences, and why it cannot be done; `refusal` is empty if it can."""

    batch: Batch
    remarks: Sequence[str]
    refusal: str


def rerun_plan(batch_id: str) -> RerunPlan:
    """It changes nothing."""
    batch = get_batch(batch_id)
    try:
        refuse_unfit(batch)
        refusal = ""
    except (InvalidInput, InvalidTransition) as error:
        refusal = str(error)
    earlier = batch.followers.order_by("-created_at").first()
    remarks = [f"A new batch of the same {quantity(batch.total_items, 'item')}, with the same parameters."]
    if corrected := corrected_items(batch):
        remarks.append(f"{quantity(corrected, 'row was', 'rows were')} corrected since: the new batch has them so.")
    if earlier is not None:
        remarks.append(f"It was run again before, as {earlier.pk}.")
    return RerunPlan(batch, remarks, refusal)


@dataclass(frozen=True, slots=True)
class RowsCopied:
    """The rows of a batch that is to be followed, so many of them corrected, as those of another with that id; None:
    they are to be written with it."""

    followed: Batch
    corrected: int
    batch_id: str
    begun: Unfinished | None


@contextmanager
def rows_copied(batch_id: str, *, new_id: str = "", name: str = "") -> Iterator[RowsCopied]:
    """While it lasts, what takes longest of running a batch again is done, as far as nobody sees it: for who calls
    `run_again` within a transaction, where it would hold the database."""
    followed = get_batch(batch_id)
    refuse_unfit(followed)
    corrected = corrected_items(followed)
    chosen = new_id or proposed_id(name or followed.name or followed.processor)
    with staging.copied(followed, chosen) as begun:
        yield RowsCopied(followed, corrected, chosen, begun)


def run_again(
    batch_id: str,
    *,
    new_id: str = "",
    name: str = "",
    start_at: datetime | None = None,
    actor: str = "",
    user: Any = None,
    copied: RowsCopied | None = None,
) -> Submission:
    """Store a new batch of the rows of one that has ended, with its parameters and options; it waits as PENDING.

    Rows that were corrected are as they were corrected. The same `new_id` again answers the batch that is there.
    Raises `InvalidTransition` for one that has not ended or whose items are gone, `InvalidInput` for an ad hoc batch,
    and for parameters that the processor does not take any more, `BatchConflict` when the id belongs to another batch.
    """
    refuse_bad_start(start_at)
    with nullcontext(copied) if copied else rows_copied(batch_id, new_id=new_id, name=name) as rows:
        followed = rows.followed
        batch = Batch(
            id=rows.batch_id,
            follows=followed,
            created_by=user if user is not None and user.is_authenticated else None,
            start_at=start_at,
            source=source_of(followed, rows.corrected),
            fingerprint="" if rows.corrected else followed.fingerprint,
            **{field: getattr(followed, field) for field in COPIED},
        )
        batch.name = name or batch.name
        refuse_bad_options(batch)
        return stored_once(
            batch,
            partial(store, batch, rows, actor),
            lambda earlier: earlier.follows_id == followed.pk,
            "already, and follows another",
        )


def refuse_unfit(batch: Batch) -> None:
    """Raises what `run_again` raises for the batch that is to be followed."""
    if batch.is_ad_hoc:
        message = "A script drives this batch: let the script begin another."
        raise InvalidInput(message, {"batch_id": [message]})
    if batch.status not in Batch.ENDED:
        remedy = "Its items are gone." if batch.status in Batch.REMOVED else "Wait for its end, or cancel it."
        raise InvalidTransition(batch.pk, VERB, batch.get_status_display(), remedy)
    params_of(batch, processors.get(batch.processor))


def store(batch: Batch, rows: RowsCopied, actor: str) -> None:
    """Batch, items, files and the first line of history; the caller's transaction makes it all or nothing."""
    followed = rows.followed
    unfinished.insert(batch, rows.begun)
    removals.refuse_deleted_id(batch.pk)
    items = staging.end_of_rows() if rows.begun else ingest.copy_items(followed.pk, batch.pk)
    whole = Batch.objects.filter(pk=followed.pk).exclude(status__in=Batch.REMOVED)
    if items != followed.total_items or not whole.exists():  # a removal has begun meanwhile
        raise InvalidTransition(followed.pk, VERB, "being removed", "Its items are gone.")
    if corrected_items(followed) != rows.corrected:
        raise OperationInProgress(f"Items of {followed.pk} are being corrected at this moment; ask again shortly.")
    files = ParameterFile.objects.filter(batch=followed).values_list("sha256", "content")
    ParameterFile.objects.bulk_create(
        ParameterFile(batch=batch, sha256=sha256, content=content) for sha256, content in files
    )
    leases.ensure_lanes(batch)
    transitions.record(batch, "submit", "", Batch.Status.PENDING, actor=actor, reason=f"Runs {followed.pk} again.")
    ingest.analyze(items)


def source_of(followed: Batch, corrected: int) -> dict[str, Any]:
    """What was read for the batch that is followed, and that this is a copy of it, with so many rows corrected."""
    notes = [f"Runs {followed.pk} again."]
    if corrected:
        notes.append(f"{quantity(corrected, 'row')} as corrected there.")
    return followed.source | {"notes": notes}


def corrected_items(batch: Batch) -> int:
    """How many of its items have another payload than was submitted."""
    changed = Correction.objects.filter(
        fix__batch=batch, fix__state=Fix.State.APPLIED, verdict=Correction.Verdict.CHANGED
    )
    return changed.order_by().values("item").distinct().count()
