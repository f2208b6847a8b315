"""Deleting and archiving: a batch at rest goes a little at a time, in transactions of half a second (SQLite: a tenth).

A row of `Removal` says how far it has come, in the commit that removes; whoever is killed, another goes on exactly
there. Only rows of the batch itself are locked, and who removes rests longer than it works: a batch that runs beside it
waits for nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import close_old_connections, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from batches import clock, unfinished
from batches.exceptions import BatchConflict, InvalidTransition, UnknownBatch
from batches.extensions import registered
from batches.lanes import global_pause
from batches.lanes.lane_counts import counters_of
from batches.lifecycle import removed_rows, retry_states, transitions
from batches.lifecycle.verification import broken_promises
from batches.models import Batch, Checkpoint, Delivery, Fix, Rehearsal, Removal, Retry
from batches.steps import Steps

logger = logging.getLogger("batches")
Status = Batch.Status
Kind = Removal.Kind

GOING = {Kind.DELETE: Status.DELETING, Kind.ARCHIVE: Status.ARCHIVING}
"""The batch's status while it goes."""
REMOVABLE = {
    Kind.DELETE: (Status.PENDING, Status.PAUSED, Status.HALTED, Status.ARCHIVED, *Batch.ENDED),
    Kind.ARCHIVE: Batch.ENDED,
}
"""The statuses in which a batch may be deleted or archived."""
FEWEST, MOST = 100, 5_000
"""Items a transaction."""
ACTOR = "archive"
"""Who speaks in the history of a batch that cannot be archived."""
RESTS = 3.0
"""Times as long as a step took, workers rest after it: a batch that runs beside it shares processor and disk."""
LOOK_EVERY = 2.0
"""Seconds between two looks for a removal that somebody has begun."""


# -- beginning ---------------------------------------------------------------------------------------------------------


def begin(
    batch: Batch, kind: str, *, actor: str, reason: str = "", rule: str = "", only_if: Q | None = None
) -> Removal:
    """Delete or archive the batch from now on; one statement decides that nothing of it runs. Raises
    `InvalidTransition` where something does."""
    contents = contents_of(batch, kind)
    with transaction.atomic():
        condition = at_rest() if only_if is None else at_rest() & only_if
        moved = transitions.move(
            batch.pk, GOING[Kind(kind)], verb=kind, from_=REMOVABLE[Kind(kind)], actor=actor, reason=reason,
            only_if=condition,
        )  # fmt: skip
        if not moved:
            raise refusal(batch.pk, kind)
        removal = Removal.objects.create(
            batch_id=batch.pk,
            name=batch.name,
            processor=batch.processor,
            kind=kind,
            status_before=batch.status,
            started=batch.started_at is not None or any(counters_of(batch.pk).values()),
            contents=contents,
            items=contents["items"],
            rule=rule,
            actor=actor[:150],
            reason=reason,
            submitted_by=batch.created_by.get_username()[:150] if batch.created_by else "",
            submitted_at=batch.created_at,
            ended_at=batch.finished_at,
            began_at=clock.now(),
        )
        end_what_waits(batch, f"The batch is being {PARTICIPLES[Kind(kind)]}.")
    return removal


PARTICIPLES = {Kind.DELETE: "deleted", Kind.ARCHIVE: "archived"}


def at_rest() -> Q:
    """The condition on batches of which nothing runs: no lane, rehearsal, retry or check of a fix."""
    lanes = Checkpoint.objects.filter(batch_id=OuterRef("pk")).exclude(worker="")
    rehearsals = Rehearsal.objects.filter(batch_id=OuterRef("pk"), state=Rehearsal.State.RUNNING)
    retries = Retry.objects.filter(batch_id=OuterRef("pk"), state__in=Retry.UNDER_WAY)
    fixes = Fix.objects.filter(batch_id=OuterRef("pk"), state=Fix.State.CHECKING, expires_at__gt=clock.now_sql())
    return ~Exists(lanes) & ~Exists(rehearsals) & ~Exists(retries) & ~Exists(fixes)


def refusal(batch_id: str, kind: str) -> Exception:
    """Why the batch is not at rest."""
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        return UnknownBatch(f"There is no batch {batch_id!r}.")
    if batch.status in REMOVABLE[Kind(kind)]:
        return InvalidTransition(
            batch_id, kind, "at work", "A retry, a rehearsal or a check of it runs: wait for its end."
        )
    remedy = "Cancel it first." if batch.status not in Batch.FINAL else ""
    return InvalidTransition(batch_id, kind, Status(batch.status).label, remedy)


def end_what_waits(batch: Batch, why: str) -> None:
    """Retries that are held, messages that are owed and whatever extensions have in hand end, and say why."""
    retry_states.cancel_open_retries(batch.pk, why)
    batch.deliveries.filter(Delivery.OWED).update(due_at=None, held=False, answer=f"Not sent: {why}")
    Checkpoint.objects.filter(batch=batch, in_flight__isnull=False).update(in_flight=None)
    for extension in registered():
        extension.removal.begun(batch, why)


def contents_of(batch: Batch, kind: str) -> dict[str, int]:
    """What would go of the batch, by a noun in the plural."""
    archive = kind == Kind.ARCHIVE
    contents = removed_rows.counted(batch, archive=archive)
    for extension in registered():
        contents |= extension.removal.contents(batch, archive)
    return contents


# -- going on ----------------------------------------------------------------------------------------------------------


class Remover:
    """Removes a little at a time; how much, the last time it took decides."""

    def __init__(self) -> None:
        self.steps = Steps(FEWEST, MOST)

    def step(self, pk: int) -> bool:
        """Remove a little of it in a transaction; False when there is nothing left to do, or somebody else is at it."""
        removal = Removal.objects.filter(pk=pk, state=Removal.State.RUNNING).first()
        if removal is None or not self.may_archive(removal):
            return False
        with self.steps.step() as size:
            return remove_some(pk, size)

    def may_archive(self, removal: Removal) -> bool:
        """Before the first item of an archived batch goes, what it was is written down, and its promises are looked at.
        One that is broken ends the removal: the evidence stays."""
        if removal.kind != Kind.ARCHIVE or removal.summary:
            return True
        batch = Batch.objects.get(pk=removal.batch_id)
        summary = summary_now(batch)
        broken = summary["broken_promises"]
        with transaction.atomic():
            rows = Removal.objects.filter(pk=removal.pk, state=Removal.State.RUNNING)
            if not broken:
                return bool(rows.update(summary=summary))
            note = f"Not archived, as it breaks a promise: {broken[0]}"
            if rows.update(state=Removal.State.REFUSED, summary=summary, note=note, finished_at=clock.now()):
                transitions.move(
                    batch.pk,
                    removal.status_before,
                    verb="archive",
                    from_=(Status.ARCHIVING,),
                    actor=ACTOR,
                    reason=note,
                )
        return False


def remove_some(pk: int, size: int) -> bool:
    """About so many items, or what else there is of the batch; at last the batch itself. The removal's row is held:
    another process finds nothing to do meanwhile."""
    removal = Removal.objects.select_for_update(skip_locked=True).filter(pk=pk, state=Removal.State.RUNNING).first()
    if removal is None:
        return False
    batch = Batch.objects.get(pk=removal.batch_id)
    archive = removal.kind == Kind.ARCHIVE
    page = removed_rows.remove_items(batch, after=removal.position, size=size, archive=archive)
    if page.items:
        return note_progress(removal, page.items, page.rows, page.position)
    if rows := removed_rows.remove_leftovers(batch, size, archive=archive):
        return note_progress(removal, 0, rows, removal.position)
    finish(removal, batch)
    return False


def note_progress(removal: Removal, items: int, rows: int, position: int) -> bool:
    Removal.objects.filter(pk=removal.pk).update(
        removed_items=F("removed_items") + items, removed_rows=F("removed_rows") + rows, position=position
    )
    return True


def finish(removal: Removal, batch: Batch) -> None:
    """The batch itself goes, or is a summary from now on."""
    if removal.kind == Kind.ARCHIVE:
        rows = removed_rows.remove_all_but_summary(batch)
        transitions.move(batch.pk, Status.ARCHIVED, verb="archive", from_=(Status.ARCHIVING,), actor=removal.actor)
    else:
        rows = batch.delete()[0]
    Removal.objects.filter(pk=removal.pk).update(
        state=Removal.State.DONE, finished_at=clock.now(), removed_rows=F("removed_rows") + rows
    )
    logger.info(
        "batch %s: %s, %d rows", batch.pk or removal.batch_id, PARTICIPLES[Kind(removal.kind)], removal.removed_rows
    )


def summary_now(batch: Batch) -> dict[str, Any]:
    """What stays of a batch that is archived: its counts, what extensions say of it, and that its promises held."""
    counts = counters_of(batch.pk)
    summary: dict[str, Any] = {
        "counts": counts | {"total": batch.total_items},
        "verified_at": clock.iso_utc(clock.now()),
        "broken_promises": broken_promises(batch),
    }
    for extension in registered():
        summary |= extension.removal.summary(batch)
    return summary


def summary_of(batch_id: str) -> dict[str, Any]:
    """What was written down of an archived batch; empty for any other."""
    rows = Removal.objects.filter(batch_id=batch_id, kind=Kind.ARCHIVE, state=Removal.State.DONE)
    return dict(rows.values_list("summary", flat=True).first() or {})


def refuse_deleted_id(batch_id: str) -> None:
    """`BatchConflict` for the id of a batch that ran and was deleted: sent again, its items would be done again."""
    gone = Removal.objects.filter(batch_id=batch_id, kind=Kind.DELETE, started=True).first()
    if gone is not None:
        raise BatchConflict(
            f"Batch {batch_id} ran, and was deleted on {gone.began_at:%Y-%m-%d}. Choose another id, or leave it empty: "
            "then one is chosen."
        )


def running_of(batch_id: str) -> Removal | None:
    return under_way().filter(batch_id=batch_id).first()


# -- in the background -------------------------------------------------------------------------------------------------


def under_way() -> QuerySet[Removal]:
    """Removals that are not done, the first one first."""
    return Removal.objects.filter(state=Removal.State.RUNNING).order_by("pk")


def work(should_stop: Callable[[], bool] = lambda: False, *, pause: bool = False) -> int:
    """Remove what is to be removed, one batch after the other; with `pause` at a quarter of the
    speed. Answers how many steps."""
    remover, steps = Remover(), 0
    for pk in list(under_way().values_list("pk", flat=True)):
        began = monotonic()
        while not should_stop() and remover.step(pk):
            steps += 1
            if pause:
                sleep(RESTS * (monotonic() - began))
            began = monotonic()
    return steps


def keep_removing(should_stop: Callable[[], bool] = lambda: False) -> None:
    """For a thread of its own, as long as the process lives."""
    while not should_stop():
        try:
            close_old_connections()
            unfinished.forget_left(should_stop)
            work(lambda: should_stop() or global_pause.is_on(), pause=True)
        except AnyDatabaseError as error:
            logger.warning("nothing is removed for now: %s", str(error).partition("\n")[0])
        except Exception:
            logger.exception("removing failed, and goes on")
        sleep(LOOK_EVERY)


def remove_in_background() -> None:
    threading.Thread(target=keep_removing, name="removals", daemon=True).start()
