"""A retry before it begins: what a person may ask of it, checked, and how it is set off.

Whoever puts failed items back (a bulk retry, a file of corrected rows) drafts a `Retry` here, writes down its items,
and sets it off in the same transaction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction

from batches import clock, waking
from batches.canary_sizes import suggested_canary
from batches.exceptions import InvalidInput, InvalidTransition
from batches.lifecycle import canaries, retry_waves, transitions
from batches.models import Batch, Retry
from batches.numbering import next_number
from batches.operations.steering import RETRIED_BY_SCRIPT, may_retry

LARGEST_CANARY = 100_000
LONGEST_WAIT = 24 * 3600
"""Seconds for which a retry may be put off."""


def drafted_retry(
    scope: Mapping[str, Any],
    *,
    canary: int = 0,
    needed: int | None = None,
    rate: float | None = None,
    after: float = 0,
    **fields: Any,
) -> Retry:
    """A retry that is not stored yet; `InvalidInput` names what of it cannot be.

    Of a `canary` (items that go first) `needed` must recover; by default as many as leave hope for 20 % of all. `rate`
    is in items a second, `after` in seconds from now. `fields` are further columns of the row.
    """
    first = whole_number(canary, "canary")
    least = canaries.least_needed(first) if needed is None else whole_number(needed, "needed")
    if least > first:
        raise InvalidInput("needed is more than the canary has.", {"needed": ["At most the canary's size."]})
    return Retry(
        scope=dict(scope),
        state=Retry.State.CANARY if first else Retry.State.RUNNING,
        canary=first,
        needed=least,
        rate=positive_rate(rate),
        not_before=moment_after(after),
        **fields,
    )


def whole_number(number: Any, name: str) -> int:
    if type(number) is not int or not 0 <= number <= LARGEST_CANARY:
        message = f"A whole number from 0 to {LARGEST_CANARY:,}."
        raise InvalidInput(f"{name}: {message}", {name: [message]})
    return number


def positive_rate(rate: Any) -> float | None:
    if rate is not None and not (isinstance(rate, (int, float)) and math.isfinite(rate) and rate > 0):
        raise InvalidInput("rate: items a second, more than 0.", {"rate": ["Items a second, more than 0."]})
    return rate


def moment_after(seconds: Any) -> datetime | None:
    """The moment that many seconds from now, at most a day; None for 0: at once."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST_WAIT:
        message = f"Seconds, from 0 to {LONGEST_WAIT:,}."
        raise InvalidInput(f"after: {message}", {"after": [message]})
    return clock.now() + timedelta(seconds=seconds) if seconds else None


def refuse_unrest(batch: Batch, verb: str) -> None:
    """Failed items are put back only where no worker is about: `InvalidTransition` otherwise."""
    if not may_retry(batch):
        remedy = RETRIED_BY_SCRIPT if batch.is_ad_hoc else ""
        raise InvalidTransition(batch.pk, verb, Batch.Status(batch.status).label, remedy)


def number_retry(batch: Batch, retry: Retry) -> None:
    """Give the draft its batch and the next number, and store it. The caller holds the batch's row."""
    retry.batch, retry.number = batch, next_number(batch.retries)
    retry.save()


def propose_canary(retry: Retry, needed: int | None) -> None:
    """Give it the canary that a page would propose, by its items and by what is expected of them."""
    expected = (retry.predicted.get("mid") or 0) if retry.predicted else None
    retry.canary, retry.needed = suggested_canary(retry.items, expected)
    if needed is not None:
        retry.needed = min(whole_number(needed, "needed"), retry.canary)
    if retry.canary and retry.state == Retry.State.RUNNING:
        retry.state = Retry.State.CANARY


def set_off(retry: Retry, verb: str, reason: str) -> None:
    """Put back the first items, queue the batch and wake its workers; all of it with the caller's transaction."""
    batch = retry.batch
    retry.save(update_fields=["state", "items", "frozen_to", "canary", "needed"])
    if retry.state in Retry.RELEASING:
        retry_waves.release(retry)
    transitions.move(batch.pk, Batch.Status.QUEUED, verb=verb, from_=(batch.status,), actor=retry.actor, reason=reason)
    transaction.on_commit(partial(waking.wake, batch.pk))
