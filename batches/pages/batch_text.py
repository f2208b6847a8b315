"""A batch's state and pace in words."""

from __future__ import annotations

from collections.abc import Sequence

from batches import durations
from batches.engine.waiting_reasons import WaitingReasons
from batches.lifecycle.velocity import RECENT_SECONDS
from batches.models import Batch, Transition
from batches.moments import moment
from batches.progress_text import (
    done_but_for,
    is_only_waiting,
    removal_sentence,
    starts_at,
    stuck_sentence,
    unfinished_text,
    waits_because,
)
from batches.progress_tracker import Progress
from batches.wording import every, number_agrees, quantity

Status = Batch.Status


def sentence(
    batch: Batch, progress: Progress, history: Sequence[Transition], reasons: WaitingReasons | None = None
) -> str:
    """The state, for a person who was just woken. The history is given with its latest rows first."""
    failures = progress.failed + progress.quarantined
    so_far = f" {failures:,} {'item' if failures == 1 else 'items'} failed so far." if failures else ""
    if batch.status in Batch.REMOVED:
        return removal_sentence(batch, reasons)
    if starts := starts_at(batch, reasons=reasons):
        return starts
    if waiting := waits_because(batch, progress, reasons):
        return f"{waiting}{so_far}"
    if progress.stuck:
        return f"{stuck_sentence(batch, reasons)}{so_far}"
    match batch.status:
        case Status.RUNNING:
            return (driven(progress) if batch.is_ad_hoc else running(progress)) + so_far
        case Status.PAUSED:
            who = by_whom(history, Status.PAUSED)
            then = "after resume its script may go on" if batch.is_ad_hoc else "resume goes on where it stopped"
            return f"Paused{who}. {quantity(progress.remaining, 'item')} to go; {then}."
        case Status.HALTED:
            return f"Halted: {batch.reason} Nothing is lost."
        case Status.COMPLETED:
            return completed(progress, failures)
        case Status.CANCELLED:
            who = by_whom(history, Status.CANCELLED)
            return f"Cancelled{who}. {unfinished_text(batch, progress)}".rstrip()
        case Status.FAILED:
            return f"The portal could not run it: {batch.reason}"
    return f"{batch.sentence}{so_far}"


def running(progress: Progress) -> str:
    if is_only_waiting(progress):
        return f"Done but for {done_but_for(progress)}."
    left, pace = eta(progress), speed(progress) or "just started"
    return f"{pace[0].upper()}{pace[1:]}{f', {left}' if left else ''}."


def driven(progress: Progress) -> str:
    """Of a batch that a script drives."""
    so_far = f"{quantity(progress.done, 'item')} so far, of a number it has not told"
    untold = so_far if progress.done and not progress.remaining else ""
    pace = ", ".join(filter(None, (untold, speed(progress), eta(progress))))
    return f"Driven by a script{f': {pace}' if pace else ''}."


def completed(progress: Progress, failures: int) -> str:
    took = durations.rough(progress.active_seconds)
    if progress.remaining:
        counted = f"{progress.done:,} of {quantity(progress.total_items, 'item')} have an outcome"
        return f"Finished by its script after {took}: {counted}, {failures:,} of them failed."
    if not progress.total_items:
        return "It had no items: there was nothing to do."
    if not failures:
        return (
            f"{every(progress.total_items, 'item')} {number_agrees(progress.total_items, 'is', 'are')} done, in {took}."
        )
    return f"Done in {took}: {failures:,} of {quantity(progress.total_items, 'item')} failed."


def by_whom(history: Sequence[Transition], status: str) -> str:
    """Who moved the batch into that status last, when and why; empty if the history does not say."""
    last = next((row for row in history if row.to_status == status), None)
    if last is None:
        return ""
    who = f" by {last.actor}" if last.actor else ""
    return f"{who}, {moment(last.at, seconds=False)}{f' ({last.reason})' if last.reason else ''}"


def speed(progress: Progress) -> str:
    """The recent velocity; empty while it is unknown, and while all that remains waits."""
    rate = progress.recent_velocity
    if rate is None or is_only_waiting(progress):
        return ""
    if not rate:
        return f"no item done in {RECENT_SECONDS:g} s"
    return f"{rate:,.0f} items a second" if rate >= 10 else f"{rate:{'.1f' if rate >= 1 else '.2g'}} items a second"


def eta(progress: Progress) -> str:
    """How long it will take, and what waits meanwhile; empty while that is unknown."""
    if progress.stuck:
        return "no worker has it"
    if is_only_waiting(progress):
        return f"done but for {done_but_for(progress)}"
    left = "" if progress.eta_human is None else f"about {durations.spaced(progress.eta_human)} left"
    but_for = done_but_for(progress)
    return f"{left}, with {but_for}" if left and but_for else left or but_for
