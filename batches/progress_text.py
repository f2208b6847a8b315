"""How a batch stands, in sentences that every door says alike: REST, frames, command line, pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from django.utils import timezone

from batches.engine.waiting_reasons import WAITS_FOR_SCRIPT, Standing, Wait, WaitingReasons
from batches.lifecycle import removals
from batches.lifecycle.waiting_items import tried_items
from batches.models import Batch, Removal
from batches.moments import moment
from batches.progress_tracker import Progress, progress_of
from batches.wording import number_agrees, quantity, quantity_have

NO_WORKER = Standing(Batch.Status.HALTED, "No worker")
WAITING = Standing(Batch.Status.QUEUED, "Waiting")
NOBODY = "No worker lives: it goes on from its last checkpoint as soon as one does."
STUCK = "It should be running, but no worker has taken it for a while. Is the worker process up?"
LOST = "{asked} was asked for, but no worker that lives has it; it is {done} as soon as one looks after it again."
STUCK_SENTENCES = {
    Batch.Status.PAUSING: LOST.format(asked="Pause", done="paused"),
    Batch.Status.CANCELLING: LOST.format(asked="Cancel", done="cancelled"),
}
"""Of batches that are stuck in these statuses; in any other `STUCK` or `NOBODY` is said."""
STOPPED = (Batch.Status.PAUSING, Batch.Status.PAUSED, Batch.Status.HALTED)
"""Nothing is tried again before a person lets it go on."""


def words_of(batch: Batch, progress: Progress, reasons: WaitingReasons | None = None) -> dict[str, Any]:
    """What stands beside a batch's progress, in REST and in frames alike; times of day in UTC."""
    reasons = reasons or WaitingReasons()
    return {
        "status_text": standing_of(batch, progress, reasons).label,
        "sentence": sentence_of(batch, progress, UTC, reasons),
        "waits_because": waits_because(batch, progress, reasons),
        "reason": batch.reason,
        "ad_hoc": batch.is_ad_hoc,
    }


def standing_of(batch: Batch, progress: Progress, reasons: WaitingReasons | None = None) -> Standing:
    """What stands beside the sentence: the status, unless that says what is not so, as of a batch that runs while no
    worker may, or could, do anything for it."""
    wait = wait_of(batch, progress, reasons)
    if wait is not None and wait.standing is not None:
        return wait.standing
    if progress.stuck:
        return NO_WORKER
    return WAITING if is_only_waiting(progress) else Standing(batch.status, batch.get_status_display())


def standings_of(batches: Sequence[Batch]) -> dict[str, Standing]:
    """The same of several batches, by id."""
    progress, reasons = progress_of(batches), WaitingReasons()
    return {batch.pk: standing_of(batch, progress[batch.pk], reasons) for batch in batches}


def sentence_of(
    batch: Batch, progress: Progress, zone: tzinfo | None = None, reasons: WaitingReasons | None = None
) -> str:
    """The sentence of the batch's status, and of the items that wait in it: no worker processes those.

    `reasons` is for who says it of several batches: what they wait for is then read once for all.
    """
    if batch.status in Batch.REMOVED:
        return removal_sentence(batch, reasons)
    if starts := starts_at(batch, zone, reasons):
        return starts
    if because := waits_because(batch, progress, reasons):
        return because
    if progress.stuck:
        return stuck_sentence(batch, reasons)
    if batch.is_final:
        return batch.sentence
    waits = waits_of(progress, zone)
    return waits if is_only_waiting(progress) else f"{batch.sentence} {waits}".rstrip()


def stuck_sentence(batch: Batch, reasons: WaitingReasons | None = None) -> str:
    """Of a batch that no worker has, though one should."""
    if told := STUCK_SENTENCES.get(Batch.Status(batch.status)):
        return told
    return STUCK if (reasons or WaitingReasons()).present.anybody else NOBODY


def removal_sentence(batch: Batch, reasons: WaitingReasons | None = None) -> str:
    """How far a batch is deleted or archived; that it is a summary, once its items are gone."""
    if batch.status not in Batch.REMOVING:
        return batch.sentence
    removal = (reasons or WaitingReasons()).removals.get(batch.pk)
    if removal is None:
        return batch.sentence
    return f"Being {removals.PARTICIPLES[Removal.Kind(removal.kind)]}, {removal.percent} %. {batch.sentence}"


def starts_at(batch: Batch, zone: tzinfo | None = None, reasons: WaitingReasons | None = None) -> str:
    """Of a batch that starts by itself: when, or why it has not; empty of any other, and once it has started."""
    if batch.status != Batch.Status.PENDING or batch.start_at is None:
        return ""
    at = moment(batch.start_at, zone=zone)
    if not is_overdue(batch):
        return f"Submitted; it starts by itself at {at}."
    if (reasons or WaitingReasons()).present.anybody:
        return f"Submitted; it was to start by itself at {at}, and does as soon as a worker sees to it."
    return f"Submitted; it was to start by itself at {at}, but no worker lives, and these start it."


def is_overdue(batch: Batch) -> bool:
    """Whether the time at which it starts by itself has passed."""
    return batch.start_at is not None and batch.start_at <= timezone.now()


def waits_because(batch: Batch, progress: Progress, reasons: WaitingReasons | None = None) -> str:
    """Why the batch waits, and behind what, in a sentence; empty of one that waits for nothing, or for a person."""
    wait = wait_of(batch, progress, reasons)
    return wait.sentence if wait else ""


def wait_of(batch: Batch, progress: Progress, reasons: WaitingReasons | None = None) -> Wait | None:
    """None for a batch that waits for nothing, or for a person."""
    if progress.silent_since is not None:
        return Wait(silent_sentence(progress, progress.silent_since), WAITS_FOR_SCRIPT)
    is_held = any(lane["worker"] for lane in progress.lanes)
    return (reasons or WaitingReasons()).why(batch, is_held=is_held, is_stuck=progress.stuck)


def silent_sentence(progress: Progress, since: datetime) -> str:
    """Of a batch whose script is not heard of any more: since when, and what it has left."""
    left = f", with {quantity(progress.remaining, 'item')} to go" if progress.remaining else ""
    return f"Its script has reported nothing since {moment(since)}{left}. If it has ended, run it again."


def is_only_waiting(progress: Progress) -> bool:
    """Whether the batch runs, and all that remains of it waits for its next try."""
    return progress.status == Batch.Status.RUNNING and progress.waiting > 0 and progress.ready <= 0


def waits_of(progress: Progress, zone: tzinfo | None = None) -> str:
    """How many items wait for their next try, why, which one that is, and until when; empty if none has one to come.

    Those of a batch that stands still wait until it is resumed, whatever the time.
    """
    if not progress.waiting or progress.waits is None or progress.status == Batch.Status.CANCELLING:
        return ""
    who = f"{quantity(progress.waiting, 'item')} {number_agrees(progress.waiting, 'waits', 'wait')}"
    try_ = number_agrees(progress.waiting, "its next try", "their next try")
    attempt = f"attempt {progress.waits['attempt']:,}" if progress.waits["attempt"] else ""
    why = ", ".join(filter(None, [*progress.waits["codes"][:3], attempt]))
    waits = f"{who} for {try_}{f' ({why})' if why else ''}"
    if progress.status in STOPPED:
        return f"{waits}, which {number_agrees(progress.waiting, 'it has', 'they have')} after resume."
    first, last = (moment(_time(progress.waits[name]), zone=zone) for name in ("first_at", "last_at"))
    when = f"not before {first}" if first == last else f"the first not before {first}, the last not before {last}"
    return f"{waits}: {when}."


def unfinished_text(batch: Batch, progress: Progress) -> str:
    """Of a batch that is over: `12 items have no outcome: 9 were never tried, 3 were tried and waited for their next
    try.`; empty where every item has one. Of what a script tried without a report nothing is known."""
    if not progress.remaining:
        return ""
    left = f"{quantity_have(progress.remaining, 'item')} no outcome"
    tried = min(tried_items(batch.pk).count(), progress.remaining)
    untried = progress.remaining - tried
    if batch.is_ad_hoc and not tried:
        return f"{left}."
    parts = [f"{untried:,} {number_agrees(untried, 'was', 'were')} never tried"] if untried else []
    if tried:
        was, next_try = number_agrees(tried, "was", "were"), number_agrees(tried, "its next try", "their next try")
        parts.append(f"{tried:,} {was} tried and waited for {next_try}")
    return f"{left}: {', '.join(parts)}."


def done_but_for(progress: Progress, zone: tzinfo | None = None) -> str:
    """`19 that wait until 20:07:32 UTC`, or `until it is resumed`; empty if none does."""
    if not progress.waiting or progress.waits is None or progress.status == Batch.Status.CANCELLING:
        return ""
    waits = number_agrees(progress.waiting, "waits", "wait")
    until = "it is resumed" if progress.status in STOPPED else last_try(progress, zone)
    return f"{progress.waiting:,} that {waits} until {until}"


def last_try(progress: Progress, zone: tzinfo | None = None) -> str:
    """The moment until which the last of those waits that wait; empty if none does."""
    return moment(_time(progress.waits["last_at"]), zone=zone) if progress.waits else ""


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
