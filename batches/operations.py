"""The operator's verbs. Every door (page, REST, command, task) calls these and translates what they answer or raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Count, F, Max, Q

from batches import clock, leases, processors, rehearsals, tasks, transitions, unknown
from batches.exceptions import InvalidInput, InvalidTransition, UnknownBatch
from batches.models import BATCH_ID, Batch, Checkpoint, Item, Rehearsal, RetriedItem, Retry, Watch
from batches.submission import Submission, refuse_bad_options, submit
from batches.tasks import sweep_now as sweep
from batches.verification import verify

__all__ = [
    "ADJUSTABLE",
    "SCOPES",
    "Submission",
    "adjust",
    "cancel",
    "decide",
    "get_batch",
    "get_rehearsal",
    "legal_verbs",
    "pause",
    "rehearse",
    "resume",
    "retry",
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
    "resume": {S.PAUSED: S.QUEUED, S.HALTED: S.QUEUED},
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
    """Go on with the pending items of a paused or halted batch."""
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
        condition = SCOPES[name](batch, wanted) & Q(failed_at__isnull=False)
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
        if item.status not in FAILED or item.code != unknown.CODE:
            raise InvalidTransition(batch_id, "decide", Item.Status(item.status).label)
        unknown.decide(item, DECISIONS[outcome])
        why = f"Item {item_key}: {outcome}." + (f" {reason}" if reason else "")
        transitions.record(batch, "decide", batch.status, batch.status, actor=actor, reason=why)
    return item


# -- retry -------------------------------------------------------------------------------------------------------------


def _all_failed(batch: Batch, wanted: Any) -> Q:
    if wanted is not True:
        raise InvalidInput("all_failed must be true.", {"all_failed": ["Must be true."]})
    return Q()


def _by_keys(batch: Batch, keys: Any) -> Q:
    if not isinstance(keys, (list, tuple)) or not keys or not all(isinstance(key, str) for key in keys):
        raise InvalidInput("item_keys must be a list of keys.", {"item_keys": ["A list of item keys, not empty."]})
    known = set(Item.objects.filter(batch=batch, key__in=keys, status__in=FAILED).values_list("key", flat=True))
    strange = [key for key in keys if key not in known]
    if strange:
        raise InvalidInput(
            f"{len(strange)} of the items are not failed items of this batch, the first: {strange[0]!r}.",
            {"item_keys": [f"Not a failed item: {key!r}" for key in strange[:10]]},
        )
    return Q(key__in=keys)


SCOPES: dict[str, Callable[[Batch, Any], Q]] = {"all_failed": _all_failed, "item_keys": _by_keys}
"""How a retry names its items: scope name -> condition on failed items. The triage app adds `group`."""


def retry(batch_id: str, *, actor: str = "", reason: str = "", **scope: Any) -> Retry:
    """Put failed items back to pending, with fresh attempts, and let the batch run; what succeeded stays done."""
    batch = get_batch(batch_id)
    chosen = {name: wanted for name, wanted in scope.items() if wanted not in (None, "", [], False)}
    if len(chosen) != 1 or not set(chosen) <= set(SCOPES):
        raise InvalidInput(f"Say which items to retry, by exactly one of: {', '.join(SCOPES)}.")
    (name, wanted), *_ = chosen.items()
    condition = SCOPES[name](batch, wanted)
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if batch.status not in RETRYABLE or not batch.processor:
            raise InvalidTransition(batch_id, "retry", Batch.Status(batch.status).label)
        made = _put_back(batch, condition, {name: wanted}, actor, reason)
        why = reason or f"retry {made.number}: {made.items:,} items"
        transitions.move(batch_id, S.QUEUED, verb="retry", from_=(batch.status,), actor=actor, reason=why)
        transaction.on_commit(partial(tasks.wake, batch_id))
    return made


def _put_back(batch: Batch, condition: Q, scope: Mapping[str, Any], actor: str, reason: str) -> Retry:
    items = Item.objects.filter(condition, batch=batch, failed_at__isnull=False, status__in=FAILED)
    number = (batch.retries.aggregate(last=Max("number"))["last"] or 0) + 1
    made = Retry.objects.create(batch=batch, number=number, scope=dict(scope), actor=actor, reason=reason)
    RetriedItem.objects.bulk_create(
        (
            RetriedItem(retry=made, item_id=pk, code_before=code)
            for pk, code in items.values_list("pk", "code").iterator()
        ),
        batch_size=2_000,
    )
    counted = list(items.values("lane", "status").annotate(n=Count("pk")).order_by("lane", "status"))
    made.items = items.update(
        status=Item.Status.PENDING,
        available_at=clock.now_sql(),
        failed_at=None,
        lane=None,
        crashes=0,
        forgiven=F("attempts"),
    )
    if not made.items:
        raise InvalidInput("No failed item matches: there is nothing to retry.")
    made.save(update_fields=["items"])
    _discount(batch, counted)
    return made


def _discount(batch: Batch, counted: Sequence[Mapping[str, Any]]) -> None:
    """The lanes no longer count the outcomes that were taken back."""
    for row in counted:
        column = str(row["status"]).lower()
        Checkpoint.objects.filter(batch=batch, lane=row["lane"]).update(**{column: F(column) - row["n"]})
