"""The list of a retry's items, written before any of them is touched.

A short list is written with the retry itself; a long one by workers, a piece at a time. The worker that comes after
one that was killed goes on: the items are those that had failed when the retry was confirmed, without those that came
right since.
"""

from __future__ import annotations

from django.db import connection
from django.db.models import BigIntegerField, Case, CharField, Q, TextField, Value, When

from batches.exceptions import InvalidInput
from batches.lifecycle import scopes
from batches.lifecycle.retry_selection import Selection, kind_of_item, selection_of
from batches.lifecycle.retry_states import change_state, lock_retries
from batches.models import Item, RetriedItem, Retry
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


def leave_to_worker(retry: Retry, condition: Q) -> int:
    """If the list is long, write only how many items there are and up to which id; 0 if it is not."""
    selection = selection_of(retry, condition)
    if selection.failed <= LONGEST_IN_REQUEST[connection.vendor] or not selection.tried:
        return 0
    retry.state, retry.frozen_to, retry.items = Retry.State.PREPARING, selection.highest_id, selection.tried
    return retry.items


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
    steps, going_on = Steps(FEWEST[connection.vendor], MOST), True
    while going_on:
        with steps.step() as size:
            going_on = write_piece(batch_id, size)
        if going_on:
            steps.rest()


def write_piece(batch_id: str, size: int) -> bool:
    """The next items in the order of positions, about so many; with the last ones the retry begins. False when there
    is none."""
    preparing = lock_retries(batch_id, [Retry.State.PREPARING])
    if not preparing:
        return False
    retry = preparing[0]
    (name, value), *_ = retry.scope.items()
    try:
        condition = scopes.condition(retry.batch, name, value)
    except InvalidInput as error:
        change_state(retry, Retry.State.CANCELLED, f"What it means cannot be found any more: {error}")
        return True
    end = end_of_piece(retry, name, size)
    condition &= Q(pk__lte=retry.frozen_to, position__gt=retry.written_to)
    insert_items(retry, selection_of(retry, condition if end is None else condition & Q(position__lte=end)))
    if end is None:
        retry.items = count_waiting(retry)
        change_state(retry, Retry.State.CANARY if retry.canary else Retry.State.RUNNING)
    else:
        retry.written_to = end
    retry.save(update_fields=["items", "written_to"])
    return True


def end_of_piece(retry: Retry, scope: str, size: int) -> int | None:
    """The position at which the next piece ends; None for the last one."""
    if scopes.all_scopes()[scope].reads_items:
        return None
    rest = Item.objects.filter(batch=retry.batch, failed_at__isnull=False, position__gt=retry.written_to)
    positions = rest.order_by("position").values_list("position", flat=True)
    return positions[size - 1 : size].first()
