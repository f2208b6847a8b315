"""Retry: put failed items back, all at once or a few first; and steer a retry that is under way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q

from batches import extensions, processors, waking
from batches.exceptions import (
    IdempotencyConflict,
    InvalidInput,
    InvalidTransition,
    OperationInProgress,
    ScopeChanged,
)
from batches.lifecycle import canaries, retry_lists, retry_states, retry_waves, scopes, transitions
from batches.lifecycle.retry_selection import Selection
from batches.models import Batch, Retry
from batches.operations.lookups import get_batch, get_retry
from batches.operations.retry_drafts import (
    LARGEST_CANARY,
    LONGEST_WAIT,
    drafted_retry,
    number_retry,
    propose_canary,
    refuse_unrest,
    set_off,
)
from batches.operations.steering import give_budget
from batches.operations.submission import refuse_bad_options
from batches.processors import parameters, stored_params
from batches.wording import quantity

__all__ = [
    "DEFAULT_CANARY",
    "LARGEST_CANARY",
    "LONGEST_WAIT",
    "cancel_retry",
    "pause_retry",
    "resume_retry",
    "retry",
]

DEFAULT_CANARY = 20
"""Items that go first where a page or a plan proposes a canary."""


def retry(
    batch_id: str,
    *,
    actor: str = "",
    reason: str = "",
    canary: int | None = 0,
    needed: int | None = None,
    rate: float | None = None,
    after: float = 0,
    permanent: bool | None = None,
    params: Mapping[str, Any] | None = None,
    concurrency: int | None = None,
    key: str = "",
    count: int | None = None,
    predicted: Mapping[str, Any] | None = None,
    budget: Mapping[str, Any] | None = None,
    **scope: Any,
) -> Retry:
    """Put failed items back to pending, with fresh attempts, and let the batch run; what succeeded stays done.

    With a `canary` so many items go first (None: as many as a page proposes, of which as many must recover), and the
    rest only if `needed` of them recover (by default as many as leave hope for 20 % of all) and not a tenth of them
    fails in a new way; such a retry leaves out what cannot pass unchanged, unless `permanent` or other `params` are
    given. `rate` is in items a second, `concurrency` in lanes until the retry is over; none of the items runs before
    `after` seconds have passed. The same `key` again is the same retry, and no other. With `count` it is refused if it
    means another number of items; `predicted` is kept beside what becomes of it, by default what extensions predict.
    `budget`: the batch's `max_errors` or `max_error_rate` from now on, None for no limit.
    """
    batch = get_batch(batch_id)
    name, value = scopes.only_scope(scope)
    if earlier := retry_of_key(batch, key, {name: value}):
        return earlier
    condition = scopes.condition(batch, name, value)
    permanent = (canary == 0 or params is not None) if permanent is None else permanent
    if predicted is None and batch.status in Batch.AT_REST:
        predicted = extensions.prediction_of(batch, {name: value}, permanent=permanent)
    draft = drafted_retry(
        {name: value},
        canary=canary or 0,
        needed=None if canary is None else needed,
        rate=rate,
        after=after,
        permanent=permanent,
        key=key,
        predicted=dict(predicted or {}),
        actor=actor,
        reason=reason,
    )
    counted = retry_lists.long_selection(batch, draft, condition)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if earlier := retry_of_key(batch, key, {name: value}):
            return earlier
        refuse_unrest(batch, "retry")
        if budget:
            give_budget(batch_id, budget, "retry", actor=actor, reason=reason)
            batch.refresh_from_db(fields=list(budget))
        limit_lanes(batch, draft, concurrency)
        change_params(batch, draft, params)
        number_retry(batch, draft)
        freeze_items(draft, counted, condition, count)
        if canary is None:
            propose_canary(draft, needed)
        set_off(draft, "retry", reason or f"retry {draft.number}: {quantity(draft.items, 'item')}")
    return draft


def retry_of_key(batch: Batch, key: str, scope: Mapping[str, Any]) -> Retry | None:
    """The retry that has this key already; `IdempotencyConflict` if it was of other items."""
    earlier = batch.retries.filter(key=key).first() if key else None
    if earlier is not None and earlier.scope != json.loads(json.dumps(scope, default=str)):
        raise IdempotencyConflict("This key belongs to a retry of other items; take a new one.")
    return earlier


def limit_lanes(batch: Batch, draft: Retry, concurrency: int | None) -> None:
    """Give the batch `concurrency` lanes while the retry lasts; afterwards it has those it has now."""
    if concurrency in (None, batch.concurrency):
        return
    draft.changes["concurrency"] = {"before": batch.concurrency, "after": concurrency}
    batch.concurrency = concurrency
    refuse_bad_options(batch)
    batch.save(update_fields=["concurrency"])


def change_params(batch: Batch, draft: Retry, params: Mapping[str, Any] | None) -> None:
    """Give the batch other parameters from now on; the retry keeps what was and what is."""
    if params is None:
        return
    processor = processors.get(batch.processor)
    given = processor.given_params({**stored_params.current(batch, processor), **params})
    parameters.cleaned(processor.params, given)
    if batch.lanes.exclude(worker="").exists():
        raise OperationInProgress("A worker is finishing its chunk with the old parameters; ask again shortly.")
    draft.changes["params"] = {"before": batch.params, "after": given.values}
    stored_params.put(batch, given)
    stored_params.store_files(batch, given)
    batch.save(update_fields=["params", "params_cleaned"])


def freeze_items(draft: Retry, counted: Selection | None, condition: Q, count: int | None) -> None:
    """Write down which items are meant, or leave a long list, which is `counted`, to a worker; `ScopeChanged` if they
    are not `count`."""
    if counted is not None:
        retry_lists.leave_to_worker(draft, counted)
    elif not retry_lists.write_list(draft, condition):
        raise InvalidInput("No failed item matches that could pass: there is nothing to retry.")
    if count not in (None, draft.items):
        raise ScopeChanged(count or 0, draft.items)


# -- a retry under way -------------------------------------------------------------------------------------------------


def pause_retry(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Retry:
    """Take back what was not begun; resume goes on with it."""
    return _stop("pause", batch_id, number, Retry.State.PAUSED, actor, reason)


def cancel_retry(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Retry:
    """Stop for good: what was not begun is failed again, as it was."""
    return _stop("cancel", batch_id, number, Retry.State.CANCELLED, actor, reason)


def _stop(verb: str, batch_id: str, number: int, to: str, actor: str, reason: str) -> Retry:
    get_retry(batch_id, number)
    with transaction.atomic():
        batch, stopped = _locked(batch_id, number)
        retry_states.refuse_illegal(stopped, verb)
        retry_waves.take_back(stopped)
        retry_states.change_state(
            stopped, to, f"{verb} asked for by {actor or 'nobody'}{': ' if reason else ''}{reason}"
        )
        _note(batch, f"retry {verb}", actor, reason or f"retry {number}")
    transitions.settle(batch_id)
    stopped.refresh_from_db()
    return stopped


def resume_retry(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Retry:
    """Go on with a paused retry, or with the rest of a held one although its canary failed."""
    get_retry(batch_id, number)
    with transaction.atomic():
        batch, resumed = _locked(batch_id, number)
        retry_states.refuse_illegal(resumed, "resume")
        if batch.status not in (*Batch.AT_REST, *Batch.WORKABLE):
            raise InvalidTransition(batch_id, "resume a retry of", Batch.Status(batch.status).label)
        retry_states.change_state(resumed, _state_to_resume(resumed), reason)
        _note(batch, "retry resume", actor, reason or f"retry {number}")
        if not retry_waves.release(resumed):
            retry_waves.step(resumed)
        elif batch.status in Batch.AT_REST:
            transitions.move(
                batch_id, Batch.Status.QUEUED, verb="retry", from_=(batch.status,), actor=actor, reason=reason
            )
        transaction.on_commit(partial(waking.wake, batch_id))
    return resumed


def _state_to_resume(retry: Retry) -> str:
    """A canary that was paused half-way goes on as one; a person who resumes a held one has overruled it."""
    if retry.state == Retry.State.HELD:
        canaries.overrule(retry)
    elif retry.canary and canaries.tried(retry) < retry.canary:
        return Retry.State.CANARY
    return Retry.State.RUNNING


def _locked(batch_id: str, number: int) -> tuple[Batch, Retry]:
    batch = Batch.objects.select_for_update().get(pk=batch_id)
    return batch, Retry.objects.select_for_update().get(batch=batch, number=number)


def _note(batch: Batch, verb: str, actor: str, reason: str) -> None:
    transitions.record(batch, verb, batch.status, batch.status, actor=actor, reason=reason)
