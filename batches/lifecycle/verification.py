"""Are the promises kept? Reads only: items are counted once, and gone through once, page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.db.models import Count as Counted
from django.utils import timezone

from batches import keyset
from batches.extensions import registered
from batches.keys import PROCESS, TTL, key_of
from batches.lanes.lane_counts import COUNTERS
from batches.lifecycle.unexplained import unexplained
from batches.models import MILESTONES, Batch, Checkpoint, IdempotencyRecord, Item, QuarantinedItem, may_follow
from batches.wording import quantity, quantity_are, quantity_have

Status = Item.Status
PAGE = 500


def broken_promises(batch: Batch) -> list[str]:
    """Every broken invariant of a batch whose items are all there, as a sentence; an empty list means that all hold."""
    counts = counted(batch)
    return [
        *counters_equal_items(batch, counts),
        *marks_agree_with_status(counts),
        *final_states_are_final(batch, counts),
        *(broken for check in (successes_are_remembered, *LOOKS) for broken in check(batch)),
        *(broken for extension in registered() for broken in extension.broken_promises(batch)),
    ]


@dataclass(frozen=True, slots=True)
class Count:
    """Items of one lane and status, and how many of them bear each mark."""

    lane: int | None
    status: str
    items: int
    failed: int
    out: int
    waiting: int


def counted(batch: Batch) -> list[Count]:
    """All items, in one look."""
    rows = Item.objects.filter(batch=batch).order_by().values_list("lane", "status")
    marks = (Counted("pk"), Counted("failed_at"), Counted("claimed_at"), Counted("available_at"))
    return [Count(*row) for row in rows.annotate(**dict(zip(("n", "failed", "out", "waiting"), marks, strict=True)))]


def counters_equal_items(batch: Batch, counts: list[Count]) -> Iterator[str]:
    """Every item has one status, and each lane's counters equal the items it counted and those counted by hand."""
    by_lane = {(count.lane, count.status): count.items for count in counts}
    total = sum(by_lane.values())
    if batch.processor and total != batch.total_items:
        yield f"The batch says it has {quantity(batch.total_items, 'item')}; there are {total:,}."
    for row in Checkpoint.objects.filter(batch=batch):
        for name in COUNTERS:
            says, are = getattr(row, name), by_lane.pop((row.lane, name.upper()), 0)
            if says != are + getattr(row, f"{name}_by_hand", 0):
                yield f"Lane {row.lane} counts {quantity(says, 'item')} {name}; there are {are:,}."
    held = set(Checkpoint.objects.filter(batch=batch).exclude(worker="").values_list("lane", flat=True))
    for (lane, status), n in by_lane.items():
        if status == Status.RUNNING:
            if lane not in held:
                yield f"{quantity_are(n, 'item')} running on lane {lane}, which nobody holds."
        elif lane is not None or status != Status.PENDING:
            yield f"{quantity_are(n, 'item')} {status.lower()} with lane {lane}, which no lane counts."


def marks_agree_with_status(counts: list[Count]) -> Iterator[str]:
    """Lists and exports find rows by marks, badges count by status: both must mean the same items."""
    for count in counts:
        if count.failed != (count.items if count.status in Item.FAILED_STATUSES else 0):
            taken = f"lists and exports take {count.failed:,} for failed"
            yield f"Of {quantity(count.items, 'item')} {count.status.lower()}, {taken}."
        if count.out != (count.items if count.status == Status.RUNNING else 0):
            taken = f"{count.out:,} are taken for calls that are out"
            yield f"Of {quantity(count.items, 'item')} {count.status.lower()}, {taken}."
        if count.waiting and count.status != Status.PENDING:
            yield (
                f"Of {quantity(count.items, 'item')} {count.status.lower()}, {count.waiting:,} wait to be tried again."
            )


def final_states_are_final(batch: Batch, counts: list[Count]) -> Iterator[str]:
    open_items = Counter[str]()
    for count in counts:
        open_items[count.status] += count.items
    if batch.is_final and open_items[Status.RUNNING]:
        yield f"The batch is {batch.status.lower()}, yet {quantity_are(open_items[Status.RUNNING], 'item')} running."
    if batch.status == Batch.Status.COMPLETED and open_items[Status.PENDING]:
        yield f"The batch is completed, yet {quantity_are(open_items[Status.PENDING], 'item')} pending."


def pages_of(batch: Batch) -> Iterator[list[tuple[str, str, Any, datetime | None]]]:
    """Key, status, result and end of all items, a bounded number at a time; no cursor is held open."""
    columns = ("position", "key", "status", "result", "finished_at")
    for page in keyset.pages(Item.objects.filter(batch=batch), *columns, after=-1, size=PAGE):
        yield [tuple(row[1:]) for row in page]


def successes_are_remembered(batch: Batch) -> Iterator[str]:
    """A succeeded item has its idempotency row until that expires; one of another status has none that is done."""
    if not batch.processor:
        return
    now = timezone.now()
    missing = different = wrong = 0
    for page in pages_of(batch):
        keys = {key_of(batch.pk, key, PROCESS): (status, result, at) for key, status, result, at in page}
        rows = IdempotencyRecord.objects.filter(key__in=keys, state=IdempotencyRecord.State.DONE)
        responses = {str(key): response for key, response in rows.values_list("key", "response")}
        for key, (status, result, finished_at) in keys.items():
            if key not in responses:
                missing += status == Status.SUCCEEDED and (finished_at is None or finished_at > now - TTL)
            elif status == Status.SUCCEEDED:
                different += responses[key] != result
            else:
                wrong += status in Item.FAILED_STATUSES
    if missing:
        yield f"{quantity_have(missing, 'succeeded item')} no idempotency row."
    if different:
        yield f"{quantity_have(different, 'succeeded item')} an idempotency row with another response."
    if wrong:
        yield f"{quantity_have(wrong, 'failed item')} an idempotency row that says they were done."


def history_is_a_path(batch: Batch) -> Iterator[str]:
    """Each transition is an arrow of the table and begins where the one before ended."""
    history = list(batch.transitions.order_by("pk").values_list("from_status", "to_status"))
    for from_, to in history:
        if from_ and from_ != to and not may_follow(batch, from_, to):
            yield f"History has {from_} -> {to}, which is no legal transition."
    for (_, ended), (began, _) in pairwise(history):
        if ended != began:
            yield f"History breaks: after {ended} comes a transition from {began}."
    if batch.processor and history and history[-1][1] != batch.status:
        yield f"The batch is {batch.status}, but its history ends with {history[-1][1]}."


def milestones_in_order(batch: Batch) -> Iterator[str]:
    reached = list(batch.milestones.order_by("pk").values_list("milestone", flat=True))
    if reached != sorted(set(reached)) or not set(reached) <= set(MILESTONES):
        yield f"Milestones are out of order: {', '.join(map(str, reached))}."


def taken_items_are_quarantined(batch: Batch) -> Iterator[str]:
    """Items that a person set aside are quarantined, so that nothing runs them."""
    quarantined = QuarantinedItem.objects.filter(quarantine__batch=batch, back_at__isnull=True)
    loose = quarantined.exclude(item__status=Status.QUARANTINED).count()
    if loose:
        yield f"{quantity_are(loose, 'item')} set aside, yet not quarantined."


def quarantines_are_explained(batch: Batch) -> Iterator[str]:
    """An item is set aside for the deaths of its workers only; one that lived on was no such death."""
    wronged = unexplained(batch).count()
    if wronged:
        yield (
            f"{quantity_are(wronged, 'item')} set aside as killers of their workers, which lived on. "
            f"Bring them back: manage.py batch retry {batch.pk} --unexplained"
        )


LOOKS = (history_is_a_path, milestones_in_order, taken_items_are_quarantined, quarantines_are_explained)
