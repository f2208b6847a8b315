"""Bulk retries as rows: the list of a batch's retries, and the desk's card about the latest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from batches.extensions import Link
from batches.models import Batch, Retry
from batches.pages.markup import pill
from errors.desk.addresses import retry_url
from errors.desk.holding import hold_of
from errors.desk.predictions import interval_text
from errors.recovery.scope_text import describe_scope

ROWS = 100
PILL_COLOURS: dict[str, str] = {
    Retry.State.PREPARING: "QUEUED",
    Retry.State.CANARY: "RUNNING",
    Retry.State.HELD: "HALTED",
    Retry.State.DONE: "COMPLETED",
}
"""The status of a batch whose sign and colour a retry's state has; other states have their own."""
OUTCOME_LABELS = {
    "recovered": "recovered",
    "failed_same": "the same",
    "failed_differently": "different",
    "waiting": "waiting",
    "skipped": "skipped",
}
ALWAYS_COUNTED = ("recovered", "failed_same", "failed_differently")


@dataclass(frozen=True, slots=True)
class RetryRow:
    """One retry: what it was about, what became of its items, and what was predicted."""

    retry: Retry
    which: str
    """Which items, in words behind their number."""
    outcome: Mapping[str, int]

    @property
    def pill(self) -> SafeString:
        return pill("HALTED", "Held") if self.is_held else retry_pill(self.retry)

    @property
    def is_held(self) -> bool:
        """Whether it would go on if its batch did."""
        return self.retry.state in Retry.UNDER_WAY and hold_of(self.retry.batch) is not None

    @property
    def predicted(self) -> str:
        return interval_text(self.retry.predicted)

    @property
    def url(self) -> str:
        return retry_url(self.retry.batch_id, self.retry.number)

    @property
    def counts(self) -> list[Link]:
        """What became of the items; what waits or was skipped only where there is some."""
        return [
            Link(label, retry_url(self.retry.batch_id, self.retry.number, fate=fate), self.outcome[fate])
            for fate, label in OUTCOME_LABELS.items()
            if self.outcome[fate] or fate in ALWAYS_COUNTED
        ]

    @property
    def is_under_way(self) -> bool:
        return self.retry.state in Retry.UNDER_WAY and not self.is_held


@dataclass(frozen=True, slots=True)
class RetryList:
    """A batch's retries, the latest first."""

    batch: Batch
    rows: list[RetryRow]


def retry_pill(retry: Retry) -> SafeString:
    return pill(PILL_COLOURS.get(retry.state, retry.state), retry.state.capitalize())


def retry_list(batch: Batch) -> RetryList:
    return RetryList(batch, retry_rows(list(batch.retries.select_related("batch").order_by("-number")[:ROWS])))


def last_retry(batch: Batch) -> RetryRow | None:
    rows = retry_rows(list(batch.retries.select_related("batch").order_by("-number")[:1]))
    return rows[0] if rows else None


def retry_rows(retries: Sequence[Retry]) -> list[RetryRow]:
    """The outcomes of all of them are counted at once."""
    outcomes = Retry.outcomes(retries)
    return [RetryRow(retry, describe_scope(retry.batch, retry.scope), outcomes[retry.pk]) for retry in retries]
