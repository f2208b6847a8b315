"""The list of a retry's items, written before any of them is touched.

A short list is written with the retry itself; a long one by workers, a piece at a time. The worker that comes after
one that was killed goes on: the items are those that had failed when the retry was confirmed, without those that came
right since.
"""

from __future__ import annotations

import sys
from bisect import bisect_right

from django.db import connection
from django.db.models import BigIntegerField, Case, CharField, Q, QuerySet, TextField, Value, When

from batches.exceptions import InvalidInput
from batches.lifecycle import scopes
from batches.lifecycle.retry_selection import Selection, kind_of_item, selection_of
from batches.lifecycle.retry_states import change_state, lock_retries
from batches.models import Batch, Item, RetriedItem, Retry
from batches.steps import Steps

LONGEST_IN_REQUEST = {"postgresql": 50_000, "sqlite": 5_000}
"""Items; a longer list is left to a worker, so that whoever asked for the retry has an answer at once."""
FEWEST, MOST = {"postgresql": 10_000, "sqlite": 500}, 10_000
"""Items written in one transaction: the batch's row is held as long, and whoever pauses batch or retry waits for it."""

COLUMNS = {
    "item_id": "pk",
    "code_before": "code",
    "attempts_before": "attempts",
    "status_before": "status",
    "lane_before": "lane",
    "why": "reason",
    "kind_before": "kind",
    "fate": "fate",
    "retry_id": "retry",
    "code_after": "no_code",
    "kind_after": "no_kind",
}
"""Column of a retried item -> what it is taken from."""


def long_selection(batch: Batch, draft: Retry, condition: Q) -> Selection | None:
    """What a retry selects of a batch, counted, if its list is long; None if it is not."""
    selection = selection_of(draft, condition, batch)
    is_long = selection.failed > LONGEST_IN_REQUEST[connection.vendor] and selection.tried and selection.highest_id
    return selection if is_long else None


def leave_to_worker(retry: Retry, counted: Selection) -> None:
    """Write only how many items a long selection has and up to which id."""
    retry.state, retry.frozen_to, retry.items = Retry.State.PREPARING, counted.highest_id, counted.tried


def write_list(retry: Retry, condition: Q) -> int:
    """Write the whole list; returns how many items will be tried."""
    selection = selection_of(retry, condition)
    insert_items(retry, selection)
    retry.frozen_to, retry.items = selection.highest_id, count_waiting(retry)
    return retry.items


def count_waiting(retry: Retry) -> int:
    return retry.retried.filter(fate=RetriedItem.Fate.WAITING).count()


def insert_items(retry: Retry, selection: Selection) -> None:
    """In the order of positions, and in one statement: none of the items comes into this process."""
    if not selection.failed:
        return
    waiting, skipped = Value(RetriedItem.Fate.WAITING), Value(RetriedItem.Fate.SKIPPED)
    left_out = [When(condition, then=Value(reason)) for condition, reason in selection.reasons]
    rows = selection.items.filter(pk__lte=selection.highest_id).order_by("position")
    rows = rows.annotate(reason=Case(*left_out, default=Value(""), output_field=TextField()))
    rows = rows.annotate(
        kind=kind_of_item(),
        fate=Case(When(reason="", then=waiting), default=skipped, output_field=CharField()),
        retry=Value(retry.pk, output_field=BigIntegerField()),
        no_code=Value("", output_field=CharField()),
        no_kind=Value("", output_field=CharField()),
    )
    sql, params = rows.values_list(*COLUMNS.values()).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO batches_retrieditem ({', '.join(COLUMNS)}) {sql}", params)


def finish_lists(batch_id: str) -> None:
    """Write the lists of the batch's retries that were left to a worker."""
    for retry in Retry.objects.filter(batch=batch_id, state=Retry.State.PREPARING).order_by("number"):
        finish_list(retry)


def finish_list(retry: Retry) -> None:
    steps, named, going_on = Steps(FEWEST[connection.vendor], MOST), Named(retry), True
    while going_on:
        named.find()
        with steps.step() as size:
            going_on = write_piece(retry, named, size)
        if going_on:
            steps.rest()


class Named:
    """The items that a scope names one by one, or finds by reading them; it is asked while nobody waits."""

    def __init__(self, retry: Retry) -> None:
        self.retry, self.refusal = retry, ""
        self.items: list[tuple[int, int]] | None = None
        """Position and id of each that is not written down yet, in the order of positions; None: not asked."""

    def find(self) -> None:
        (name, value), *_ = self.retry.scope.items()
        if self.items is not None or not scopes.all_scopes()[name].reads_items:
            return
        try:
            condition = scopes.condition(self.retry.batch, name, value)
        except InvalidInput as error:
            self.refusal, self.items = str(error), []
            return
        items = to_write(self.retry).filter(condition).order_by("position")
        self.items = list(items.values_list("position", "pk"))

    def next(self, retry: Retry, size: int) -> tuple[Q, int | None]:
        """The condition on the next of them, and the position of the last; None: there are no more."""
        items = self.items or []
        begin = bisect_right(items, (retry.written_to, sys.maxsize))
        page = items[begin : begin + size]
        condition = scopes.one_of("pk", [pk for _, pk in page])
        return condition, page[-1][0] if begin + size < len(items) else None


def to_write(retry: Retry) -> QuerySet[Item]:
    """The failed items of the batch among which are those of the retry that are not written down yet."""
    return Item.objects.filter(
        batch=retry.batch_id, failed_at__isnull=False, pk__lte=retry.frozen_to, position__gt=retry.written_to
    )


def write_piece(begun: Retry, named: Named, size: int) -> bool:
    """The next items in the order of positions, about so many; with the last ones the retry begins. False when there
    is none."""
    preparing = [each for each in lock_retries(begun.batch_id, [Retry.State.PREPARING]) if each.pk == begun.pk]
    if not preparing:
        return False
    retry = preparing[0]
    try:
        condition, end = next_piece(retry, named, size)
    except InvalidInput as error:
        change_state(retry, Retry.State.CANCELLED, f"What it means cannot be found any more: {error}")
        return False
    condition &= Q(pk__lte=retry.frozen_to, position__gt=retry.written_to)
    insert_items(retry, selection_of(retry, condition if end is None else condition & Q(position__lte=end)))
    if end is None:
        retry.items = count_waiting(retry)
        change_state(retry, Retry.State.CANARY if retry.canary else Retry.State.RUNNING)
    else:
        retry.written_to = end
    retry.save(update_fields=["items", "written_to"])
    return end is not None


def next_piece(retry: Retry, named: Named, size: int) -> tuple[Q, int | None]:
    """The condition on the items of the next piece, and the position at which it ends; None for the last one."""
    if named.refusal:
        raise InvalidInput(named.refusal)
    if named.items is not None:
        return named.next(retry, size)
    (name, value), *_ = retry.scope.items()
    positions = to_write(retry).order_by("position").values_list("position", flat=True)
    return scopes.condition(retry.batch, name, value), positions[size - 1 : size].first()
