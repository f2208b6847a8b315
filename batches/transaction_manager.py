"""All or nothing: a transaction, a savepoint an operation, rollback to the last savepoint or of everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from django.db import connection
from django.db import transaction as django_transaction

from batches.arguments import checked_function, checked_id, checked_list
from batches.coroutines import refuse_async, refuse_awaitable
from batches.exceptions import BatchError, InvalidInput


class TransactionBroken(BatchError):
    """A database error inside the operation was swallowed; what it wrote has been undone."""


@dataclass(frozen=True, slots=True)
class OperationFailed:
    """The result of an operation that was rolled back and skipped: its 0-based index, and what it raised."""

    index: int
    error: Exception


class Transaction:
    """An open transaction of one batch."""

    def __init__(self, batch_id: str) -> None:
        self.batch_id = batch_id
        self._savepoints: list[str] = []

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """An error inside rolls back to here, and is raised."""
        with django_transaction.atomic():
            yield
            refuse_broken()

    def mark(self) -> None:
        """Set a savepoint by hand, for `rollback_to_last_savepoint`."""
        self._savepoints.append(django_transaction.savepoint())

    def rollback_to_last_savepoint(self) -> None:
        """Undo everything since the last `mark`, which stays set."""
        if not self._savepoints:
            raise InvalidInput("There is no savepoint to roll back to: call mark() first.")
        django_transaction.savepoint_rollback(self._savepoints[-1])
        connection.needs_rollback = False

    def rollback(self) -> None:
        """Undo everything when the `with` block ends, without an error."""
        django_transaction.set_rollback(True)


def refuse_broken() -> None:
    """Django undoes a broken block without a word when the error was swallowed: say it."""
    if connection.needs_rollback:
        raise TransactionBroken(TransactionBroken.__doc__)


@contextmanager
def transaction(batch_id: str) -> Iterator[Transaction]:
    """All or nothing: what happens inside is committed at the end, or undone when anything is raised."""
    opened = Transaction(checked_id(batch_id))
    with django_transaction.atomic():
        yield opened


def execute_transactional(
    batch_id: str,
    operations: Sequence[Callable[[], Any]],
    use_savepoints: bool = True,
    on_error: Literal["raise", "skip"] = "raise",
) -> list[Any]:
    """The operations' results, in order. An error rolls everything back and is raised; with `on_error="skip"` only
    its operation is undone, and its result is an `OperationFailed`.

    `InvalidInput` before any of them runs when one is async: a transaction belongs to one thread, and is not awaited.
    """
    if on_error not in ("raise", "skip"):
        raise InvalidInput(f'on_error is {on_error!r}; it must be "raise" or "skip".')
    if on_error == "skip" and not use_savepoints:
        raise InvalidInput('on_error="skip" needs a savepoint an operation: leave use_savepoints on.')
    operations = list(checked_list("operations", operations))
    for index, operation in enumerate(operations):
        checked_function(f"operations[{index}]", operation, 0)
        refuse_async(operation, f"operations[{index}]")
    results: list[Any] = []
    with transaction(batch_id) as tx:
        for index, operation in enumerate(operations):
            results.append(_execute(tx, operation, index, use_savepoints, on_error))
    return results


def _execute(tx: Transaction, operation: Callable[[], Any], index: int, use_savepoints: bool, on_error: str) -> Any:
    if not use_savepoints:
        result = refuse_awaitable(operation(), f"operations[{index}]")
        refuse_broken()
        return result
    try:
        with tx.savepoint():
            return refuse_awaitable(operation(), f"operations[{index}]")
    except Exception as error:
        if on_error == "raise":
            raise
        return OperationFailed(index, error)
