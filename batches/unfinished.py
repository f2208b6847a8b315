"""Batches whose items are written a few a transaction, as SQLite has one writer, for whom all others wait.

Until its last transaction such a batch is a row that reserves its id and that nobody sees: `Batch.objects` leaves it
out. Its name is that of the process that stores it. What one that died has left is taken away by `forget_left`: at once
where this process can know of it, else after a while.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from batches import clock
from batches.exceptions import OperationInProgress
from batches.models import Batch, Item
from batches.moments import moment
from batches.paged_deletes import delete
from batches.steps import Steps
from batches.worker_names import is_dead, of_this_origin, worker_name

KEPT = timedelta(minutes=2)
"""After the last write; whoever goes on later finds that it is not there any more."""
FEWEST, MOST = 500, 20_000
"""Items a transaction."""


class Unfinished:
    """A batch that is being stored, as the one who does so knows it: by a token that nobody else has."""

    def __init__(self, batch_id: str) -> None:
        self.batch_id, self.token = batch_id, secrets.token_hex(16)

    @property
    def rows(self) -> QuerySet[Batch]:
        """The batch's row, as long as it is being stored, and by this one."""
        return being_stored().filter(pk=self.batch_id, fingerprint=self.token)

    def is_mine(self) -> bool:
        """Asked within a transaction, in which nobody else takes it away any more."""
        return bool(self.rows.update(created_at=clock.now_sql()))

    def go_on(self) -> None:
        """Within a transaction that goes on with it. `OperationInProgress`: it was taken away meanwhile."""
        if not self.is_mine():
            raise OperationInProgress(f"Batch {self.batch_id} was not stored: it took too long. Send it again.")

    def show(self, batch: Batch) -> None:
        """Make of it the batch as it is given, for everybody to see once the caller's transaction commits."""
        self.go_on()
        batch.created_at = timezone.now()
        batch.save(force_update=True)

    def forget(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Take it away with its items, unless it is a batch by now; the row, which reserves the id, at last."""
        steps = Steps(FEWEST, MOST)
        while self.rows.exists() and not should_stop():
            with steps.step() as size:
                if self.is_mine() and not delete_items(self.batch_id, size):
                    delete(self.rows)
            steps.rest()


def being_stored() -> QuerySet[Batch]:
    return Batch.with_unfinished.filter(status=Batch.BEING_STORED).order_by()


def seen(items: QuerySet[Item]) -> QuerySet[Item]:
    """Of items of any batches those that are of a batch by now."""
    return items if connection.vendor == "postgresql" else items.exclude(batch__in=being_stored())


def begin(batch_id: str) -> Unfinished | None:
    """Reserve the id; None where a batch has it. `OperationInProgress`: another is being stored under it."""
    begun = Unfinished(batch_id)
    row = Batch(pk=batch_id, status=Batch.BEING_STORED, fingerprint=begun.token, name=worker_name())
    forget_left(of=[batch_id])  # there may be no worker
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        refuse(batch_id)
        return None
    return begun


def insert(batch: Batch, begun: Unfinished | None) -> None:
    """Store the batch's own row: a new one, or that of which it was begun."""
    if begun is None:
        batch.save(force_insert=True)
    else:
        begun.show(batch)


def refuse(batch_id: str) -> None:
    """`OperationInProgress` if a batch is being stored under that id; what a dead process has left goes."""
    row = being_stored().filter(pk=batch_id).first()
    if row is None:
        return
    forget_left(of=[batch_id])
    if not being_stored().filter(pk=batch_id).exists():
        raise OperationInProgress(
            f"What a process that died had left of batch {batch_id} was taken away: send it again."
        )
    if of_this_origin() in row.name:
        raise OperationInProgress(f"A batch {batch_id} is being stored at this moment; ask again shortly.")
    until = moment(row.created_at + KEPT)
    raise OperationInProgress(
        f"A batch {batch_id} is being stored by another machine or container, which is taken for alive until {until}: "
        "ask again then. Unless it has stored more by then, the id is free."
    )


def forget_left(should_stop: Callable[[], bool] = lambda: False, of: Sequence[str] | None = None) -> None:
    """Take away what dead processes have left, of these batches or of any."""
    rows = being_stored() if of is None else being_stored().filter(pk__in=of)
    for batch_id, token, storer in list(rows.values_list("pk", "fingerprint", "name")):
        left = rows.filter(pk=batch_id, fingerprint=token)
        if not is_dead(storer):
            left = left.filter(created_at__lt=clock.ago(KEPT))
        taken_over = Unfinished(batch_id)
        if left.update(fingerprint=taken_over.token, name=worker_name(), created_at=clock.now_sql()):
            taken_over.forget(should_stop)


def delete_items(batch_id: str, size: int) -> int:
    """The first items of it, so many at most; how many."""
    items = Item.objects.filter(batch=batch_id).order_by()
    positions = items.order_by("position").values_list("position", flat=True)[:size]
    last = max(positions, default=-1)
    return delete(items.filter(position__lte=last)) if last >= 0 else 0
