"""The page of one batch: how it stands, what may be done now, its numbers, its failures, and what happened to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.safestring import SafeString

from batches import durations, operations
from batches.adhoc import COUNTED_BY_HAND
from batches.engine.waiting_reasons import Standing, WaitingReasons
from batches.extensions import Link, registered
from batches.lifecycle.unexplained import unexplained
from batches.lifecycle.velocity import Velocity, velocity_of
from batches.models import MILESTONES, Batch, Checkpoint, Item, Rehearsal, Retry, Transition
from batches.moments import in_reader_zone
from batches.pages.batch_text import sentence
from batches.pages.item_list import items_url
from batches.pages.map_page import MapPage, map_page
from batches.pages.markup import pretty, standing_pill, value_text
from batches.pages.progress_bar import ProgressBar, progress_bar
from batches.processors import param_labels_of
from batches.progress_text import standing_of, waits_of
from batches.progress_tracker import Progress, get_progress, progress_of
from batches.redaction import redact
from batches.rights import DELETE, OPERATE
from batches.wording import number_agrees, quantity

SHOWN_FAILURES, SHOWN_HISTORY, SHOWN_RETRIES, SHOWN_REHEARSALS, SHOWN_FOLLOWERS = 20, 100, 10, 5, 5
TO_GO = "to go"
LABELS = {
    "start": "Start",
    "pause": "Pause",
    "resume": "Resume",
    "cancel": "Cancel…",
    "retry": "Retry failed…",
    "give_up": "Give up waiting…",
}
CONFIRMED = ("cancel", "retry", "give_up")
"""Verbs that a page asks about first."""


@dataclass(frozen=True, slots=True)
class VerbButton:
    name: str
    label: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Count:
    """One of the page's numbers, a link to the items it counts, where these have rows; the script finds it by its
    key."""

    label: str
    key: str
    n: int
    url: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A milestone in percent, and when it was reached, if it was."""

    at: int
    reached: str | None


@dataclass(frozen=True, slots=True)
class Sparkline:
    """The velocity chart as points of an SVG line in a box of 1,000 x 100, for pages without JavaScript."""

    line: str
    words: str


@dataclass(frozen=True, slots=True)
class FailedItem:
    item: Item
    payload: SafeString


@dataclass(frozen=True, slots=True)
class RetryRow:
    retry: Retry
    outcome: Mapping[str, int]

    @property
    def state(self) -> str:
        """The word for its state, without what that means."""
        return Retry.State(self.retry.state).label.partition(":")[0]


@dataclass(frozen=True, slots=True)
class BatchPage:
    """`live`: it moves by itself. `verbs`, `links` and rehearsing are what may be done now, by who looks at it."""

    batch: Batch
    progress: Progress
    standing: Standing
    pill: SafeString
    sentence: str
    waits: str
    live: bool
    final_statuses: str
    """Those that no batch leaves, for the script: of a batch in one of them nothing more is to be heard."""
    watching: bool
    may_operate: bool
    may_rehearse: bool
    may_run_again: bool
    followers: Sequence[Batch]
    """Batches that run this one again, the latest first."""
    removable_as: Sequence[str]
    verbs: Sequence[VerbButton]
    links: Sequence[Link]
    counts: Sequence[Count]
    bar: ProgressBar
    marks: Sequence[Mark]
    failures: int
    unexplained: int
    """Items set aside as killers of workers that lived on."""
    map: MapPage
    chart: Sparkline
    lanes: Sequence[Checkpoint]
    failed: Sequence[FailedItem]
    failed_url: str
    items_url: str
    retries: Sequence[RetryRow]
    rehearsals: Sequence[Rehearsal]
    history: Sequence[Transition]
    patience: str
    params: Sequence[tuple[str, str]]
    source: Sequence[tuple[str, str]]


def batch_page(batch: Batch, request: HttpRequest) -> BatchPage:
    progress, reasons = progress_of([batch])[batch.pk], WaitingReasons()
    standing = standing_of(batch, progress, reasons)
    failures = progress.failed + progress.quarantined
    may_operate = request.user.has_perm(OPERATE)  # type: ignore[union-attr]
    history = list(batch.transitions.order_by("-pk")[:SHOWN_HISTORY])
    return BatchPage(
        batch=batch,
        progress=progress,
        standing=standing,
        pill=standing_pill(standing),
        sentence=sentence(batch, progress, history, reasons),
        waits=waits_of(progress),
        live=batch.status in Batch.ACTIVE,
        final_statuses=" ".join(Batch.FINAL),
        watching=operations.is_watching(batch, request.user),  # type: ignore[arg-type]
        may_operate=may_operate,
        may_rehearse=may_operate and operations.may_rehearse(batch),
        may_run_again=may_operate and batch.status in Batch.ENDED and not batch.is_ad_hoc,
        followers=list(batch.followers.order_by("-created_at").only("pk")[:SHOWN_FOLLOWERS]),
        removable_as=operations.removable_as(batch) if request.user.has_perm(DELETE) else [],  # type: ignore[union-attr]
        verbs=verb_buttons(batch, progress) if may_operate else [],
        links=[link for extension in registered() for link in extension.batch_links(batch, failures)],
        counts=counts(batch, progress),
        bar=progress_bar(progress),
        marks=marks(progress),
        failures=failures,
        unexplained=unexplained(batch).count() if progress.quarantined else 0,
        map=map_page(batch, draw=request.GET.get("draw") == "1"),
        chart=sparkline(velocity_of(batch)),
        lanes=list(Checkpoint.objects.filter(batch=batch).order_by("lane")),
        failed=first_failures(batch),
        failed_url=items_url(batch, failed=True),
        items_url=items_url(batch),
        retries=[RetryRow(retry, retry.outcome()) for retry in batch.retries.order_by("-number")[:SHOWN_RETRIES]],
        rehearsals=list(batch.rehearsals.order_by("-number").defer("chosen")[:SHOWN_REHEARSALS]),
        history=history,
        patience=durations.in_words(batch.rate_limit_seconds),
        params=params_shown(batch),
        source=source_shown(batch),
    )


def source_shown(batch: Batch) -> list[tuple[str, str]]:
    """(label, value) of how its items came; notes on how they were read are sentences."""
    notes = in_reader_zone(" ".join(batch.source.get("notes", ())), batch.created_at)
    shown = {name: value for name, value in batch.source.items() if value not in ("", []) and name != "notes"}
    rows = [(name.replace("_", " "), value_text(value)) for name, value in shown.items()]
    return [*rows, ("notes", notes)] if notes else rows


def params_shown(batch: Batch) -> list[tuple[str, str]]:
    """(label, value) of what the batch was given, secrets masked."""
    labels = param_labels_of(batch.processor)
    return [(labels.get(name, name), value_text(value)) for name, value in redact(batch.params).items()]


def verb_buttons(batch: Batch, progress: Progress) -> list[VerbButton]:
    verbs = operations.legal_verbs(batch)
    if progress.waiting and not batch.is_ad_hoc and not batch.is_final:
        verbs.append("give_up")
    held = bool(operations.holding_reason(batch))
    return [verb_button(verb, held=held) for verb in verbs]


def verb_button(verb: str, *, held: bool) -> VerbButton:
    """A batch `held` by its error budget is resumed by a page that asks for another one."""
    if verb == "resume" and held:
        return VerbButton(verb, "Raise the budget and resume…", confirmed=True)
    return VerbButton(verb, LABELS[verb], verb in CONFIRMED)


def first_failures(batch: Batch) -> list[FailedItem]:
    """Those that stand first in the batch's input."""
    failed = Item.objects.filter(batch=batch, failed_at__isnull=False).order_by("position")[:SHOWN_FAILURES]
    return [FailedItem(item, pretty(redact(item.payload))) for item in failed]


def counts(batch: Batch, progress: Progress) -> list[Count]:
    numbers = (
        ("succeeded", progress.completed, "SUCCEEDED"),
        ("failed", progress.failed, "FAILED"),
        ("skipped", progress.skipped, "SKIPPED"),
        ("quarantined", progress.quarantined, "QUARANTINED"),
        (TO_GO, progress.remaining, "PENDING"),
    )
    is_closed = batch.status in Batch.CLOSED  # nothing of it is tried again
    labels = {TO_GO: "without an outcome"} if is_closed else {}
    urls = {status: items_url(batch, status__exact=status) for _, _, status in numbers}
    if batch.is_ad_hoc:
        urls |= dict.fromkeys(without_rows(batch), "")
    waiting = Count("of them waiting", "waiting", progress.waiting, items_url(batch, available_at__isnull="False"))
    return [
        *(Count(labels.get(label, label), label.replace(" ", "_"), n, urls[status]) for label, n, status in numbers),
        *([] if is_closed else [waiting]),
    ]


def without_rows(batch: Batch) -> list[str]:
    """Statuses of items that a script counts without naming them: no list shows them."""
    lanes = Checkpoint.objects.filter(batch=batch)
    by_hand = [name.upper() for name in COUNTED_BY_HAND if lanes.filter(**{f"{name}_by_hand__gt": 0}).exists()]
    return by_hand if batch.items.exists() else [*by_hand, "PENDING"]


def marks(progress: Progress) -> list[Mark]:
    reached = {row["milestone"]: row["reached_at"] for row in progress.milestones}
    return [Mark(percent, reached.get(percent)) for percent in MILESTONES]


def sparkline(velocity: Velocity) -> Sparkline:
    if len(velocity.points) < 2:
        return Sparkline("", velocity.words)
    begin, end = velocity.points[0][0], velocity.points[-1][0]
    seconds = (end - begin).total_seconds() or 1
    top = max(speed for _, speed in velocity.points) or 1
    line = " ".join(
        f"{1000 * (at - begin).total_seconds() / seconds:.0f},{98 - 94 * speed / top:.0f}"
        for at, speed in velocity.points
    )
    return Sparkline(line, velocity.words)


# -- before a verb that cannot be taken back ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a verb would do to the batch, and the button that does it."""

    batch: Batch
    verb: str
    question: str
    effects: Sequence[str]
    button: str
    count: int | None = None
    """Items that are meant: the act is refused if it means another number by then."""


def confirmation(batch: Batch, verb: str) -> Confirmation:
    """Of cancelling the batch, or of retrying all that failed in it."""
    progress = get_progress(batch.pk)
    if verb == "retry":
        question = f"Retry {quantity(progress.failed + progress.quarantined, 'item')} that failed?"
        effects = ["They run with the same parameters, all of them at once. Nothing that succeeded runs again."]
        return Confirmation(batch, verb, question, effects, "Retry them")
    if verb == "give_up":
        items = number_agrees(progress.waiting, "it", "them")
        effects = [waits_of(progress), f"Nothing tries {items} again by itself; a retry still can."]
        question = f"Give up on {quantity(progress.waiting, 'item')} of {batch}?"
        return Confirmation(batch, verb, question, effects, f"Give up on {items}", progress.waiting)
    waiting = f", {progress.waiting:,} of which {number_agrees(progress.waiting, 'waits', 'wait')} for another try"
    left = f"{quantity(progress.remaining, 'item')} will get no outcome{waiting if progress.waiting else ''}."
    effects = [
        f"{left} This cannot be undone: to stop for a while, pause instead.",
        f"What is done stays done: {quantity(progress.done, 'item')}.",
    ]
    return Confirmation(batch, verb, f"Cancel {batch}?", effects, "Cancel the batch")
