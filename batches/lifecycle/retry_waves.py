"""A bulk retry under way: which of its items are put back when, what became of each, and when it stops.

Everything is in the database. Whoever settles the batch advances its retries, so that a killed worker costs nothing:
the next sweep looks at the same rows and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, CharField, Count, Exists, F, Max, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from batches import clock
from batches.compiled_query import CompiledQuery
from batches.exceptions import OperationInProgress
from batches.lanes.lane_counts import shift_count
from batches.lifecycle.canaries import SECOND_WAVE, may_fill_up, objection, tried
from batches.lifecycle.retry_lists import finish_lists
from batches.lifecycle.retry_selection import kind_of_item
from batches.lifecycle.retry_states import change_state, lock_retries
from batches.models import Item, QuarantinedItem, RetriedItem, Retry

ITEMS_PER_WAVE = {"postgresql": 10_000, "sqlite": 3_000}
"""Items put back in one transaction: whoever pauses batch or retry waits for it, and takes back no more than these."""

Fate = RetriedItem.Fate


def advance(batch_id: str) -> bool:
    """Judge what is finished and put back the next wave of every retry under way; True if items were put back."""
    if not any(UNDER_WAY.rows([batch_id])):
        return False
    finish_lists(batch_id)
    with transaction.atomic():
        released = [step(retry) for retry in lock_retries(batch_id, Retry.RELEASING)]
        return any(released)


def under_way(batch_ids: list[str]) -> QuerySet[Retry, tuple[int]]:
    return Retry.objects.filter(batch__in=batch_ids, state__in=Retry.UNDER_WAY).order_by().values_list("pk")[:1]


UNDER_WAY = CompiledQuery(under_way)


def step(retry: Retry) -> bool:
    """One look at one retry; True if items were put back. The caller holds its row and the batch's."""
    judge(retry)
    in_flight = retry.retried.filter(fate=Fate.RELEASED).count()
    if in_flight and not (in_flight <= ITEMS_PER_WAVE[connection.vendor] // 2 and may_fill_up(retry, in_flight)):
        return False
    if reason := objection(retry) if not in_flight else "":
        note = f"{reason}. The rest stays failed until someone resumes or cancels the retry."
        change_state(retry, Retry.State.HELD, note)
        return False
    if retry.state == Retry.State.CANARY and tried(retry):
        change_state(retry, Retry.State.RUNNING)
    while retry.retried.filter(fate=Fate.WAITING).exists():
        if release(retry, in_flight):
            return True
    if not in_flight:
        change_state(retry, Retry.State.DONE)
    return False


# -- putting back ------------------------------------------------------------------------------------------------------


def release(retry: Retry, in_flight: int = 0) -> int:
    """Put the next wave back to pending, spaced out by the rate; what is not failed any more is skipped.

    Returns how many items were put back, beside those `in_flight` already. The batch's row is held, so that nobody else
    puts failed items back between these statements.
    """
    due = next_due(retry, in_flight)
    wave = next_wave(retry, wave_size(retry, in_flight))
    failed = Item.objects.filter(batch=retry.batch_id, status__in=Item.FAILED_STATUSES, failed_at__isnull=False)
    late = wave.filter(~Exists(failed.filter(pk=OuterRef("item_id"))))
    late.update(fate=Fate.SKIPPED, why="It was not failed any more.")
    items = failed.filter(pk__in=wave.values("item"))
    counted = list(items.order_by().values("lane", "status").annotate(n=Count("pk")).order_by("lane", "status"))
    if not counted:
        return 0
    QuarantinedItem.objects.filter(item__in=wave.values("item"), back_at__isnull=True).update(back_at=timezone.now())
    moved = items.update(
        status=Item.Status.PENDING,
        available_at=due or clock.now_sql(),
        failed_at=None,
        lane=None,
        crashes=0,
        forgiven=F("attempts"),
        rate_limited=None,
        rate_limited_since=None,
    )
    if retry.rate:
        space_out(wave, retry.rate, due or clock.now())
    if wave.update(fate=Fate.RELEASED) != moved:
        raise OperationInProgress("Items of this batch are being changed at this moment; ask again shortly.")
    for row in counted:
        shift_count(retry.batch, row["lane"], row["status"], -row["n"])
    return moved


def wave_size(retry: Retry, in_flight: int) -> int:
    """How many items go next: the canary, then a hundred, then as many as may be in flight."""
    if retry.state == Retry.State.CANARY:
        return retry.canary
    return (
        SECOND_WAVE
        if retry.canary and tried(retry) <= retry.canary
        else max(1, ITEMS_PER_WAVE[connection.vendor] - in_flight)
    )


def next_wave(retry: Retry, size: int) -> QuerySet[RetriedItem]:
    """In the order of positions, which is that of the rows."""
    waiting = retry.retried.filter(fate=Fate.WAITING)
    last = list(waiting.order_by("pk").values_list("pk", flat=True)[size - 1 : size])
    return waiting.filter(pk__lte=last[0]) if last else waiting


def next_due(retry: Retry, in_flight: int) -> datetime | None:
    """When the first of the next wave may run: at its rate after the last one in flight; None for at once."""
    due = retry.not_before
    if retry.rate and in_flight:
        last = open_items(retry).aggregate(last=Max("item__available_at"))["last"]
        due = due if last is None else last + timedelta(seconds=1 / retry.rate)
    return due if due is not None and due > clock.now() else None


SPACED = """
UPDATE batches_item SET available_at = {due} FROM (SELECT item_id AS item, row_number() OVER (ORDER BY id) - 1 AS n
  FROM batches_retrieditem WHERE id IN ({wave})) w WHERE batches_item.id = w.item
"""
DUE = {
    "postgresql": "%s::timestamptz + w.n / %s * interval '1 second'",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', %s, (w.n / %s) || ' seconds')",
}


def space_out(wave: QuerySet[RetriedItem], rate: float, first: datetime) -> None:
    """Each item becomes due when the rate, in items a second, allows it; the first one at `first`."""
    sql, params = wave.order_by().values("pk").query.sql_with_params()
    start = connection.ops.adapt_datetimefield_value(first)
    with connection.cursor() as cursor:
        cursor.execute(SPACED.format(due=DUE[connection.vendor], wave=sql), [start, float(rate), *params])


# -- what became of them -----------------------------------------------------------------------------------------------


def judge(retry: Retry) -> None:
    """Give every item that has its outcome its fate, for good."""
    released = retry.retried.filter(fate=Fate.RELEASED)
    released.filter(has_item(Item.SUCCESSFUL_STATUSES)).update(fate=Fate.RECOVERED)
    item = Item.objects.filter(pk=OuterRef("item_id")).annotate(kind=kind_of_item())
    kind = Subquery(item.values("kind")[:1], output_field=CharField())
    released.filter(has_item(Item.FAILED_STATUSES)).update(
        fate=Case(When(kind_before=kind, then=Value(Fate.SAME)), default=Value(Fate.DIFFERENT)),
        kind_after=Coalesce(kind, Value("")),
        code_after=Coalesce(Subquery(item.values("code")[:1]), Value("")),
    )


def has_item(statuses: Iterable[str], **more: Any) -> Exists:
    """Whether a retried item is in one of these states; no join, so that its fate is looked at again by the update."""
    return Exists(Item.objects.filter(pk=OuterRef("item_id"), status__in=statuses, **more))


def open_items(retry: Retry) -> QuerySet[RetriedItem]:
    """Those put back and not begun, or to be tried again."""
    return retry.retried.filter(has_item([Item.Status.PENDING]), fate=Fate.RELEASED)


def take_back(retry: Retry) -> None:
    """Items put back and not begun are failed again, as they were; one in a worker's hands has its outcome first."""
    judge(retry)
    kinds = list(open_items(retry).order_by().values_list("lane_before", "status_before").distinct())
    now = timezone.now()
    for lane, status in kinds:
        items = retry.retried.filter(fate=Fate.RELEASED, lane_before=lane, status_before=status).values("item")
        untouched = Item.objects.filter(pk__in=items, status=Item.Status.PENDING)
        moved = untouched.update(status=status, lane=lane, failed_at=now, available_at=None)
        shift_count(retry.batch, lane, status, moved)
    taken_back = retry.retried.filter(has_item(Item.FAILED_STATUSES, failed_at=now), fate=Fate.RELEASED)
    taken_back.update(fate=Fate.WAITING)
