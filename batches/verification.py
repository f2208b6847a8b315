"""`verify`: are the promises kept? Reads only, in one pass over the batch's items with constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, pairwise

from django.db.models import Count
from django.utils import timezone

from batches.exceptions import UnknownBatch
from batches.keys import PROCESS, TTL, key_of
from batches.models import MILESTONES, TRANSITIONS, Batch, Checkpoint, IdempotencyRecord, Item
from batches.transitions import COUNTERS

S = Item.Status
PAGE = 500

CHECKS: list[Callable[[Batch], Iterator[str]]] = []
"""Further checks of a batch, added by other apps; each yields a sentence per broken promise."""


def verify(batch_id: str) -> list[str]:
    """Every broken invariant of the batch, as a sentence; an empty list means that all hold."""
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        raise UnknownBatch(f"There is no batch {batch_id!r}.")
    checks = (
        counters_equal_items,
        final_states_are_final,
        successes_are_remembered,
        history_is_a_path,
        milestones_in_order,
    )
    return [broken for check in (*checks, *CHECKS) for broken in check(batch)]


def counters_equal_items(batch: Batch) -> Iterator[str]:
    """Every item has one status, and each lane's counters equal the items it counted."""
    counted = Item.objects.filter(batch=batch).order_by().values_list("lane", "status").annotate(n=Count("pk"))
    by_lane = {(lane, status): n for lane, status, n in counted}
    total = sum(by_lane.values())
    if batch.processor and total != batch.total_items:
        yield f"The batch says it has {batch.total_items:,} items; there are {total:,}."
    for row in Checkpoint.objects.filter(batch=batch):
        for name in COUNTERS:
            says, are = getattr(row, name), by_lane.pop((row.lane, name.upper()), 0)
            if says != are:
                yield f"Lane {row.lane} counts {says:,} items {name}; there are {are:,}."
    held = set(Checkpoint.objects.filter(batch=batch).exclude(worker="").values_list("lane", flat=True))
    for (lane, status), n in by_lane.items():
        if status == S.RUNNING:
            if lane not in held:
                yield f"{n:,} items are running on lane {lane}, which nobody holds."
        elif lane is not None or status != S.PENDING:
            yield f"{n:,} items are {status.lower()} with lane {lane}, which no lane counts."


def final_states_are_final(batch: Batch) -> Iterator[str]:
    open_items = Counter(
        dict(
            Item.objects.filter(batch=batch, status__in=(S.PENDING, S.RUNNING))
            .order_by()
            .values_list("status")
            .annotate(n=Count("pk"))
        )
    )
    if batch.is_final and open_items[S.RUNNING]:
        yield f"The batch is {batch.status.lower()}, yet {open_items[S.RUNNING]:,} items are running."
    if batch.status == Batch.Status.COMPLETED and open_items[S.PENDING]:
        yield f"The batch is completed, yet {open_items[S.PENDING]:,} items are pending."


def successes_are_remembered(batch: Batch) -> Iterator[str]:
    """A succeeded item has its idempotency row until that expires; one of another status has none that is done."""
    if not batch.processor:
        return
    now = timezone.now()
    items = Item.objects.filter(batch=batch).order_by("position").values_list("key", "status", "result", "finished_at")
    rows = items.iterator(chunk_size=PAGE)
    missing = different = wrong = 0
    while page := list(islice(rows, PAGE)):
        keys = {key_of(batch.pk, key, PROCESS): (status, result, at) for key, status, result, at in page}
        known = IdempotencyRecord.objects.filter(key__in=keys, state=IdempotencyRecord.State.DONE).in_bulk()
        for key, (status, result, finished_at) in keys.items():
            row = known.get(key)
            if status == S.SUCCEEDED and row is None and (finished_at is None or finished_at > now - TTL):
                missing += 1
            elif row is not None and status == S.SUCCEEDED and row.response != result:
                different += 1
            elif row is not None and status in (S.FAILED, S.QUARANTINED):
                wrong += 1
    if missing:
        yield f"{missing:,} succeeded items have no idempotency row."
    if different:
        yield f"{different:,} succeeded items have an idempotency row with another response."
    if wrong:
        yield f"{wrong:,} failed items have an idempotency row that says they were done."


def history_is_a_path(batch: Batch) -> Iterator[str]:
    """Each transition is an arrow of the table and begins where the one before ended."""
    history = list(batch.transitions.order_by("pk").values_list("from_status", "to_status"))
    for from_, to in history:
        if from_ and from_ != to and to not in TRANSITIONS.get(from_, {}):
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
