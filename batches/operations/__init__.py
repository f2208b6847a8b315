"""The operator's verbs. Every door (page, REST, command, task) calls these and translates what they answer or raise."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from batches import clock, processors, tasks
from batches.engine import rehearsals
from batches.exceptions import (
    IdempotencyConflict,
    InvalidInput,
    InvalidTransition,
    OperationInProgress,
    ScopeChanged,
    UnknownBatch,
)
from batches.lanes import leases, unknown_outcomes
from batches.lifecycle import retry_waves, scopes, transitions
from batches.lifecycle.scopes import SCOPES
from batches.models import BATCH_ID, AsideItem, Batch, Checkpoint, Item, Rehearsal, Retry, Watch
from batches.operations.fixing import apply_fix, check_fix, correct, fix_to_apply, get_fix, preview_fix
from batches.operations.quarantine import bring_back, set_aside
from batches.operations.submission import Submission, refuse_bad_options, submit
from batches.operations.verification import verify
from batches.tasks import sweep_now as sweep

__all__ = [
    "ADJUSTABLE",
    "SCOPES",
    "Submission",
    "adjust",
    "apply_fix",
    "bring_back",
    "cancel",
    "cancel_retry",
    "check_fix",
    "correct",
    "decide",
    "fix_to_apply",
    "get_batch",
    "get_fix",
    "get_rehearsal",
    "get_retry",
    "legal_verbs",
    "pause",
    "pause_retry",
    "preview_fix",
    "rehearse",
    "resume",
    "resume_retry",
    "retry",
    "set_aside",
    "start",
    "submit",
    "sweep",
    "unwatch",
    "verify",
    "watch",
]

S = Batch.Status
RETRYABLE = (S.COMPLETED, S.PAUSED, S.HALTED)
FAILED = (Item.Status.FAILED, Item.Status.QUARANTINED)

VERBS: dict[str, dict[str, str]] = {
    "start": {S.PENDING: S.QUEUED},
    "pause": {S.RUNNING: S.PAUSING, S.QUEUED: S.PAUSED},
    "resume": {S.PAUSED: S.QUEUED, S.HALTED: S.QUEUED, S.FAILED: S.QUEUED},
    "cancel": {
        S.RUNNING: S.CANCELLING,
        S.PAUSING: S.CANCELLING,
        S.PENDING: S.CANCELLED,
        S.QUEUED: S.CANCELLED,
        S.PAUSED: S.CANCELLED,
        S.HALTED: S.CANCELLED,
    },
}
"""From which status each verb leads to which."""


def get_batch(batch_id: str) -> Batch:
    """The batch of that id, or `UnknownBatch`."""
    batch = Batch.objects.filter(pk=batch_id).first() if BATCH_ID.match(batch_id) else None
    if batch is None:
        raise UnknownBatch(f"There is no batch {batch_id!r}.")
    return batch


def legal_verbs(batch: Batch) -> list[str]:
    """What an operator may do with the batch now; retry only where something failed."""
    verbs = [verb for verb, arrows in VERBS.items() if batch.status in arrows and (batch.processor or verb == "cancel")]
    if batch.status in RETRYABLE and batch.processor and has_failed_items(batch):
        verbs.append("retry")
    return verbs


def has_failed_items(batch: Batch) -> bool:
    return Checkpoint.objects.filter(Q(failed__gt=0) | Q(quarantined__gt=0), batch=batch).exists()


def start(batch_id: str, *, actor: str = "", reason: str = "") -> Batch:
    """Let a submitted batch run."""
    return _act("start", batch_id, actor, reason)


def pause(batch_id: str, *, actor: str = "", reason: str = "") -> Batch:
    """Ask the batch to stop after the chunk in hand; it is PAUSED once no worker holds a lane."""
    return _act("pause", batch_id, actor, reason)


def resume(batch_id: str, *, actor: str = "", reason: str = "") -> Batch:
    """Go on with the pending items of a paused or halted batch, or of one that failed for want of its processor."""
    batch = get_batch(batch_id)
    if batch.processor and batch.status == S.FAILED:
        processors.get(batch.processor)
    return _act("resume", batch_id, actor, reason)


def cancel(batch_id: str, *, actor: str = "", reason: str = "") -> Batch:
    """Stop for good after the chunk in hand. What is done stays done; untouched items stay pending."""
    return _act("cancel", batch_id, actor, reason)


def _act(verb: str, batch_id: str, actor: str, reason: str) -> Batch:
    """Move along the verb's arrow; a status that changed meanwhile is looked at once more."""
    for _ in range(3):
        batch = get_batch(batch_id)
        to = VERBS[verb].get(batch.status)
        if to is None or (not batch.processor and verb != "cancel"):
            break
        if transitions.move(batch_id, to, verb=verb, from_=(batch.status,), actor=actor, reason=reason):
            return _after(batch_id, to)
    raise InvalidTransition(batch_id, verb, Batch.Status(batch.status).label)


def _after(batch_id: str, to: str) -> Batch:
    if to == S.QUEUED:
        transaction.on_commit(partial(tasks.wake, batch_id))
    else:
        leases.expire_dead_workers()
        transitions.settle(batch_id)
    return get_batch(batch_id)


# -- how it runs -------------------------------------------------------------------------------------------------------

ADJUSTABLE = ("concurrency", "rate", "max_attempts", "item_timeout", "max_errors", "max_error_rate")


def adjust(batch_id: str, *, actor: str = "", reason: str = "", **changes: Any) -> Batch:
    """Change how a batch runs: lanes, rate, attempts, time limit, error budget (None: no limit).

    Also while it runs: each lane takes the new values at its next time slice, 30 s later at most.
    """
    batch = get_batch(batch_id)
    strange = sorted(set(changes) - set(ADJUSTABLE))
    if strange or not changes:
        names = ", ".join(ADJUSTABLE)
        raise InvalidInput(f"Say what to change, by any of: {names}.", {name: ["Unknown."] for name in strange})
    if batch.is_final and batch.status != S.COMPLETED:
        raise InvalidTransition(batch_id, "adjust", Batch.Status(batch.status).label)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        before = {name: getattr(batch, name) for name in changes}
        for name, value in changes.items():
            setattr(batch, name, value)
        refuse_bad_options(batch)
        batch.save(update_fields=list(changes))
        said = "; ".join(f"{name} {before[name]} → {getattr(batch, name)}" for name in changes)
        why = f"{said}. {reason}".strip()
        transitions.record(batch, "adjust", batch.status, batch.status, actor=actor, reason=why)
        transaction.on_commit(partial(tasks.wake, batch_id))
    return batch


# -- rehearse ----------------------------------------------------------------------------------------------------------

REHEARSABLE = (S.PENDING, S.PAUSED, S.HALTED, S.COMPLETED)
MOST_SAMPLED = 10_000


def rehearse(
    batch_id: str, *, sample: int | None = None, actor: str = "", wake: bool = True, **scope: Any
) -> Rehearsal:
    """Run what would run, or `sample` items of it chosen at random, and roll everything back.

    `scope` names failed items as for a retry. With `wake` a worker does it; without, the caller does.
    """
    batch = get_batch(batch_id)
    if batch.status not in REHEARSABLE or not batch.processor:
        raise InvalidTransition(batch_id, "rehearse", Batch.Status(batch.status).label)
    if sample is not None and (type(sample) is not int or not 1 <= sample <= MOST_SAMPLED):
        raise InvalidInput(f"sample: from 1 to {MOST_SAMPLED:,} items.", {"sample": [f"From 1 to {MOST_SAMPLED:,}."]})
    chosen = {name: wanted for name, wanted in scope.items() if wanted not in (None, "", [], False)}
    if len(chosen) > 1 or not set(chosen) <= set(SCOPES):
        raise InvalidInput(f"Say which items to rehearse, by one of: {', '.join(SCOPES)}; or nothing, for all.")
    condition = Q()
    for name, wanted in chosen.items():
        condition = scopes.SCOPES[name](batch, wanted) & Q(failed_at__isnull=False)
    made = rehearsals.make(batch, sample=sample, condition=condition, scope=chosen, actor=actor)
    if wake:
        transaction.on_commit(partial(tasks.send_rehearsal, made.pk))
    return made


def get_rehearsal(batch_id: str, number: int) -> Rehearsal:
    """The batch's rehearsal of that number, or `UnknownBatch`."""
    found = get_batch(batch_id).rehearsals.filter(number=number).first()
    if found is None:
        raise UnknownBatch(f"Batch {batch_id} has no rehearsal {number}.")
    return found


def legal_to_rehearse(batch: Batch) -> bool:
    known = batch.processor and batch.status in REHEARSABLE
    return bool(known and processors.can_rehearse(batch.processor) and rehearsals.eligible(batch).exists())


# -- who is told -------------------------------------------------------------------------------------------------------


def watch(batch_id: str, user: AbstractBaseUser) -> None:
    """Mail this person about the batch: its milestones, and its end or halt. Asked for twice, it is done once."""
    batch = get_batch(batch_id)
    if not getattr(user, "email", ""):
        raise InvalidInput("Your account has no mail address; an admin can add one.", {"email": ["Missing."]})
    Watch.objects.get_or_create(batch=batch, user_id=user.pk)


def unwatch(batch_id: str, user: AbstractBaseUser) -> None:
    """No more mail about the batch for this person."""
    Watch.objects.filter(batch=get_batch(batch_id), user_id=user.pk).delete()


def is_watching(batch: Batch, user: AbstractBaseUser) -> bool:
    return Watch.objects.filter(batch=batch, user_id=user.pk).exists()


# -- calls of unknown outcome -----------------------------------------------------------------------------------------

DECISIONS = {"succeeded": Item.Status.SUCCEEDED, "failed": Item.Status.FAILED}


def decide(batch_id: str, item_key: str, outcome: str, *, actor: str = "", reason: str = "") -> Item:
    """A person's word on a call whose worker was lost: it "succeeded" or "failed"; written to the batch's history."""
    batch = get_batch(batch_id)
    if outcome not in DECISIONS:
        raise InvalidInput("Say what became of it: succeeded or failed.", {"outcome": ["succeeded or failed."]})
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch.pk)
        item = Item.objects.select_for_update().filter(batch=batch, key=item_key).first()
        if item is None:
            raise InvalidInput(f"There is no item {item_key!r}.", {"item_key": ["Not an item of this batch."]})
        if item.status not in FAILED or item.code != unknown_outcomes.CODE:
            raise InvalidTransition(batch_id, "decide", Item.Status(item.status).label)
        AsideItem.objects.filter(item=item, back_at__isnull=True).update(back_at=timezone.now())
        unknown_outcomes.decide(item, DECISIONS[outcome])
        why = f"Item {item_key}: {outcome}." + (f" {reason}" if reason else "")
        transitions.record(batch, "decide", batch.status, batch.status, actor=actor, reason=why)
    return item


# -- retry -------------------------------------------------------------------------------------------------------------


CANARY = 20
MOST_CANARIES = 100_000
MOST_SECONDS = 24 * 3600


def retry(
    batch_id: str,
    *,
    actor: str = "",
    reason: str = "",
    canary: int = 0,
    needed: int | None = None,
    rate: float | None = None,
    after: float = 0,
    permanent: bool | None = None,
    params: Mapping[str, Any] | None = None,
    concurrency: int | None = None,
    key: str = "",
    count: int | None = None,
    predicted: Mapping[str, Any] | None = None,
    **scope: Any,
) -> Retry:
    """Put failed items back to pending, with fresh attempts, and let the batch run; what succeeded stays done.

    With a `canary` so many items go first, and the rest only if `needed` of them recover (unless told: as many as leave
    hope for 20 % of all) and not a tenth of them fails in a new way; such a retry leaves out what cannot pass
    unchanged, unless `permanent` or other `params` are given. `rate` is in items a second, `concurrency` in lanes until
    the retry is over; none of the items runs before `after` seconds have passed. The same `key` again is the same
    retry, and no other. With `count` it is refused if it means another number of items; `predicted` is kept beside what
    becomes of it.
    """
    batch = get_batch(batch_id)
    name, wanted = scopes.chosen(scope)
    if known := batch.retries.filter(key=key).first() if key else None:
        return _same(known, {name: wanted})
    condition, first = scopes.SCOPES[name](batch, wanted), _whole(canary, "canary", 0)
    made = Retry(
        scope={name: wanted},
        state=Retry.State.CANARY if canary else Retry.State.RUNNING,
        canary=first,
        needed=_whole(needed, "needed", 0) if needed is not None else retry_waves.least_needed(first),
        rate=_positive(rate),
        not_before=_in(after),
        permanent=(not canary or params is not None) if permanent is None else permanent,
        key=key,
        predicted=dict(predicted or {}),
        actor=actor,
        reason=reason,
    )
    if made.needed > made.canary:
        raise InvalidInput("needed is more than the canary has.", {"needed": ["At most the canary's size."]})
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if key and (known := batch.retries.filter(key=key).first()):
            return _same(known, {name: wanted})
        if batch.status not in RETRYABLE or not batch.processor:
            raise InvalidTransition(batch_id, "retry", Batch.Status(batch.status).label)
        _limit(batch, made, concurrency)
        _begin(batch, made, condition, params)
        if count not in (None, made.items):
            raise ScopeChanged(count or 0, made.items)
        why = reason or f"retry {made.number}: {made.items:,} items"
        transitions.move(batch_id, S.QUEUED, verb="retry", from_=(batch.status,), actor=actor, reason=why)
        transaction.on_commit(partial(tasks.wake, batch_id))
    return made


def _same(known: Retry, scope: Mapping[str, Any]) -> Retry:
    if known.scope != json.loads(json.dumps(scope, default=str)):
        raise IdempotencyConflict("This key belongs to a retry of other items; take a new one.")
    return known


def _limit(batch: Batch, made: Retry, concurrency: int | None) -> None:
    """So many lanes while the retry lasts; the batch is at rest now, and has those it had afterwards."""
    if concurrency in (None, batch.concurrency):
        return
    made.changes = {"concurrency": {"before": batch.concurrency, "after": concurrency}}
    batch.concurrency = concurrency
    refuse_bad_options(batch)
    batch.save(update_fields=["concurrency"])


def _whole(number: Any, name: str, least: int) -> int:
    if type(number) is not int or not least <= number <= MOST_CANARIES:
        message = f"A whole number from {least} to {MOST_CANARIES:,}."
        raise InvalidInput(f"{name}: {message}", {name: [message]})
    return number


def _positive(rate: Any) -> float | None:
    if rate is not None and not (isinstance(rate, (int, float)) and math.isfinite(rate) and rate > 0):
        raise InvalidInput("rate: items a second, more than 0.", {"rate": ["Items a second, more than 0."]})
    return rate


def _in(seconds: Any) -> datetime | None:
    """So many seconds from now, at most a day."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= MOST_SECONDS:
        message = f"Seconds, from 0 to {MOST_SECONDS:,}."
        raise InvalidInput(f"after: {message}", {"after": [message]})
    return clock.now() + timedelta(seconds=seconds) if seconds else None


def _begin(batch: Batch, made: Retry, condition: Q, params: Mapping[str, Any] | None) -> None:
    made.batch = batch
    made.number = (batch.retries.aggregate(last=Max("number"))["last"] or 0) + 1
    made.changes |= _change(batch, params)
    made.save()
    if not retry_waves.put_off(made, condition) and not retry_waves.freeze(made, condition):
        raise InvalidInput("No failed item matches that could pass: there is nothing to retry.")
    made.save(update_fields=["state", "items", "frozen_to"])
    if made.state in Retry.RELEASING:
        retry_waves.release(made)


def _change(batch: Batch, params: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the batch other parameters from now on; returns what was and what is."""
    if params is None:
        return {}
    wanted = processors.get(batch.processor).clean_params({**batch.params, **params})
    if batch.lanes.exclude(worker="").exists():
        raise OperationInProgress("A worker is finishing its chunk with the old parameters; ask again shortly.")
    before, batch.params = batch.params, wanted
    batch.save(update_fields=["params"])
    return {"params": {"before": before, "after": wanted}}


# -- a retry under way -------------------------------------------------------------------------------------------------


def get_retry(batch_id: str, number: int) -> Retry:
    """The bulk retry of that number, or `UnknownBatch`."""
    known = get_batch(batch_id).retries.filter(number=number).first() if 0 < number < 2**31 else None
    if known is None:
        raise UnknownBatch(f"Batch {batch_id} has no retry {number}.")
    return known


def pause_retry(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Retry:
    """Take back what was not begun; resume goes on with it."""
    return _stop_retry("pause", batch_id, number, Retry.RELEASING, Retry.State.PAUSED, actor, reason)


def cancel_retry(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Retry:
    """Stop for good: what was not begun is failed again, as it was."""
    return _stop_retry("cancel", batch_id, number, Retry.OPEN, Retry.State.CANCELLED, actor, reason)


def _stop_retry(verb: str, batch_id: str, number: int, legal: Sequence[str], to: str, actor: str, reason: str) -> Retry:
    get_retry(batch_id, number)
    with transaction.atomic():
        batch, found = _locked(batch_id, number)
        if found.state not in legal:
            raise InvalidTransition(batch_id, f"{verb} retry {number} of", Retry.State(found.state).label)
        retry_waves.take_back(found)
        retry_waves.change(found, to, f"{verb} asked for by {actor or 'nobody'}{': ' if reason else ''}{reason}")
        _note(batch, f"retry {verb}", actor, reason or f"retry {number}")
    transitions.settle(batch_id)
    found.refresh_from_db()
    return found


def resume_retry(batch_id: str, number: int, *, actor: str = "", reason: str = "") -> Retry:
    """Go on with a paused retry, or with the rest of a held one although its canary failed."""
    get_retry(batch_id, number)
    with transaction.atomic():
        batch, found = _locked(batch_id, number)
        if found.state not in (Retry.State.PAUSED, Retry.State.HELD):
            raise InvalidTransition(batch_id, f"resume retry {number} of", Retry.State(found.state).label)
        if batch.status not in (*RETRYABLE, S.QUEUED, S.RUNNING):
            raise InvalidTransition(batch_id, "resume a retry of", Batch.Status(batch.status).label)
        small = found.state == Retry.State.PAUSED and found.canary and retry_waves.tried(found) < found.canary
        if found.state == Retry.State.HELD:
            retry_waves.overrule(found)
        retry_waves.change(found, Retry.State.CANARY if small else Retry.State.RUNNING, reason)
        _note(batch, "retry resume", actor, reason or f"retry {number}")
        if not retry_waves.release(found):
            retry_waves.step(found)
        elif batch.status in RETRYABLE:
            transitions.move(batch_id, S.QUEUED, verb="retry", from_=(batch.status,), actor=actor, reason=reason)
        transaction.on_commit(partial(tasks.wake, batch_id))
    return found


def _locked(batch_id: str, number: int) -> tuple[Batch, Retry]:
    batch = Batch.objects.select_for_update().get(pk=batch_id)
    return batch, Retry.objects.select_for_update().get(batch=batch, number=number)


def _note(batch: Batch, verb: str, actor: str, reason: str) -> None:
    transitions.record(batch, verb, batch.status, batch.status, actor=actor, reason=reason)
