"""A failed attempt of an item: its exception, what kind of failure it is, and what may be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from batches.redaction import redact_recurring


@dataclass(frozen=True, slots=True)
class Classification:
    """`retryable` is None where it depends; `classified_by` says which rule matched: explicit, code, class, message."""

    category: str
    code: str
    retryable: bool | None
    classified_by: str


@dataclass(frozen=True, slots=True)
class FailureText:
    """What is said of a failure, without secrets. `message` is `uncut` with card numbers masked, at most 8 KiB.

    `code` is the one that the processor gave; empty if it gave none.
    """

    uncut: str
    message: str
    code: str
    classification: Classification
    secrets: Sequence[str]

    def redacted(self, text: str) -> str:
        """Another text of the same exception, one that others share, without its secrets."""
        return redact_recurring(text, self.secrets) if text else text


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, as extensions get it. `final` is false when the item will be tried again.

    `text` spares them the work of describing the exception again.
    """

    item_id: int
    item_key: str
    position: int
    payload: dict[str, Any]
    attempt: int
    exception: BaseException
    code: str
    final: bool
    started_at: datetime
    finished_at: datetime
    worker: str
    text: FailureText | None = None
