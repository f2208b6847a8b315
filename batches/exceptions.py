"""What can be refused or go wrong; an exception's message is for the person who reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batches.wording import number_agrees, quantity


class BatchError(Exception):
    """Anything the portal refuses or reports about a batch."""


class InvalidInput(BatchError):
    """Input was refused before anything was written. `errors` maps a field, or "row N", to its messages."""

    def __init__(self, message: str, errors: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(message)
        self.errors: dict[str, list[str]] = {field: list(messages) for field, messages in (errors or {}).items()}


class InputRefused(InvalidInput):
    """A file that cannot be read as items. `row` and `line` are 1-based and count the header; `column` is its name."""

    def __init__(
        self,
        problem: str,
        *,
        remedy: str,
        row: int | None = None,
        line: int | None = None,
        column: str | None = None,
    ) -> None:
        place = ", ".join(
            part
            for part in (
                f"row {row}" if row is not None else "",
                f"line {line}" if line is not None and line != row else "",
                f"column {column!r}" if column is not None else "",
            )
            if part
        )
        super().__init__(f"{place}: {problem} {remedy}" if place else f"{problem} {remedy}")
        self.problem, self.remedy = problem, remedy
        self.row, self.line, self.column = row, line, column


class ScopeChanged(InvalidInput):
    """What was confirmed is not what is there any more. `current` is how many items it means now."""

    def __init__(self, confirmed: int, current: int) -> None:
        problem = f"It means {quantity(current, 'item')} now, not {confirmed:,}."
        super().__init__(f"{problem} Nothing was done: look at it again.", {"count": [problem]})
        self.confirmed, self.current = confirmed, current


class UnknownProcessor(InvalidInput):
    """No processor of that name is registered."""


class UnusableParams(InvalidInput):
    """A stored batch's parameters, which the form of its processor does not take any more."""


class UnknownBatch(BatchError):
    """No batch has that id."""


class InvalidTransition(BatchError):
    """The verb is not legal in the batch's present status. `remedy`: a sentence on what is."""

    def __init__(self, batch_id: str, verb: str, status: str, remedy: str = "") -> None:
        super().__init__(" ".join(filter(None, (f"Cannot {verb} batch {batch_id}: it is {status.lower()}.", remedy))))
        self.batch_id, self.verb, self.status = batch_id, verb, status


class BatchCancelled(BatchError):
    """The batch of a script was cancelled by a person: what was done stays done, the rest is not to be processed.

    `remaining` is how many items have no outcome; `result` is what `resume_from_checkpoint` had done by then, None
    where nothing ran.
    """

    def __init__(self, batch_id: str, remaining: int, reason: str = "", result: dict[str, Any] | None = None) -> None:
        why = f" ({reason})" if reason else ""
        super().__init__(
            f"Batch {batch_id} was cancelled{why}: {quantity(remaining, 'item')} "
            f"{number_agrees(remaining, 'was', 'were')} not processed. "
            "Stop here; progress_tracker.start_batch begins it anew."
        )
        self.batch_id, self.remaining, self.reason, self.result = batch_id, remaining, reason, result


class BatchConflict(BatchError):
    """The id is taken by a batch with other content."""


class IdempotencyConflict(BatchError):
    """The idempotency key was used before with other arguments."""


class OperationInProgress(BatchError):
    """The same operation is being run elsewhere at this moment; ask again shortly."""


class ClientLeft(BatchError):
    """Who sent it has left before it was done, and does not know of it: nothing was done."""


class UnknownToken(BatchError):
    """No token has that number, or it is somebody else's."""


class WrongToken(BatchError):
    """The token opens nothing: there is no such one, or it is revoked or has expired."""


class TooManyRequests(BatchError):
    """More was asked for than this caller may ask for; `wait` is in how many seconds it may again."""

    def __init__(self, message: str, wait: int) -> None:
        super().__init__(message)
        self.wait = wait


class LeaseLost(BatchError):
    """Another worker has taken over this lane: everything since the last commit is void."""


class NestedRun(BatchError):
    """A batch is not run from within a transaction or another batch's item: submit and start it there instead."""


class ItemTimeout(BaseException):
    """An item ran longer than its `item_timeout`; a BaseException, so that `except Exception` cannot swallow it."""
