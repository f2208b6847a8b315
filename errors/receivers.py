"""Writes error records, groups and their counters inside the chunk's transaction: a few statements however many failed.

Every lane writes in one order (tracebacks, groups, counters, each sorted), so that lanes cannot block each other.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from django.dispatch import receiver

from batches.classification import CODES, Classification, classify, hung_on
from batches.models import Batch
from batches.outcomes import Failure, storable, words_of
from batches.processors import ItemError
from batches.redaction import redact_cards, redact_shapes, redact_values
from batches.signals import batch_transitioned, item_failed, items_rehearsed
from errors import clean_retries, comebacks, overrides, recommendations, rollups, tasks, turns
from errors.fingerprints import Identity, identify, last_frame, others
from errors.known import Known, known_groups
from errors.models import ErrorRecord, Traceback
from errors.tracebacks import stack_of

logger = logging.getLogger("errors")

FIELDS = 50


@dataclass(frozen=True, slots=True)
class Seen:
    """A failure put into words, classified and fingerprinted."""

    failure: Failure
    message: str
    error_type: str
    found: Classification
    identity: Identity
    stack: str
    fields: list[str] = field(default_factory=list)
    origin: int | None = None


@receiver(item_failed)
def write_errors(sender: type[Batch], batch: Batch, failures: Sequence[Failure], **kwargs: Any) -> None:
    """A record a failure, and everything counted."""
    seen = [look(batch, failure) for failure in failures]
    turns.record(batch.processor)
    stacks = keep_stacks(seen)
    seen, groups = rollups.groups_for(batch, seen)
    rollups.count(batch, seen, groups)
    comebacks.bring_back(batch, seen, groups)
    ErrorRecord.objects.bulk_create([record_of(batch, one, groups, stacks) for one in seen])


@receiver(batch_transitioned)
def settle_clean_retries(sender: type[Batch], batch_id: str, to_status: str, **kwargs: Any) -> None:
    """A batch that is over decides the groups that wait for a retry of it, and shows what applied advice brought.

    The sweep repeats what gets lost.
    """
    if to_status in Batch.FINAL:
        clean_retries.settle(batch_id)
        recommendations.verify(batch_id)
        tasks.look_if_large(batch_id)


@receiver(items_rehearsed)
def tell_rehearsed(
    sender: type[Batch], batch: Batch, failures: Sequence[Failure], **kwargs: Any
) -> list[dict[str, Any]]:
    """How the failures of a rehearsal would be grouped; nothing is written."""
    seen = [look(batch, failure) for failure in failures]
    seen, _ = overrides.follow(batch, seen, known_groups(batch, {one.identity.fingerprint for one in seen}))
    return [
        {
            "fingerprint": one.identity.fingerprint,
            "title": one.identity.title,
            "category": one.found.category,
            "code": one.found.code,
            "error_type": one.error_type,
            "message": one.message[:1000],
            "fields": one.fields,
        }
        for one in seen
    ]


def look(batch: Batch, failure: Failure) -> Seen:
    """The failure in words. What cannot be read is recorded all the same: an exception must not lose its item."""
    try:
        return read(batch, failure)
    except Exception:
        logger.exception("batch %s, item %s: its exception cannot be read", batch.pk, failure.position)
        return unreadable(batch, failure)


def read(batch: Batch, failure: Failure) -> Seen:
    """Secrets are taken out of every word before it is looked at any further."""
    error, payload = failure.exception, failure.payload

    def clean(text: str) -> str:
        return redact_shapes(redact_values(text, payload, batch.params))

    words = clean(words_of(error))
    message = storable(redact_cards(words))
    found = classify(error, clean(failure.code)[:64], message)
    columns = batch.source.get("columns") or ()
    identity = identify(batch.processor, error, found.code, storable(words), payload, columns, clean)
    identity = replace(identity, title=storable(identity.title)[:600], key=storable(identity.key)[:600])
    stack = redact_shapes(redact_values(stack_of(error), payload, batch.params), source=True)
    named = [clean(name) for name in culprits(error)]
    return Seen(failure, message, name_of(error), found, identity, stack, named)


def unreadable(batch: Batch, failure: Failure) -> Seen:
    """By class alone."""
    name = type(failure.exception).__name__
    found = Classification("unknown", CODES["unknown"], None, "none")
    identity = others(batch.processor, failure.exception, found.code)
    return Seen(failure, f"<unreadable {storable(name)}>", name_of(failure.exception), found, identity, "")


def name_of(error: BaseException) -> str:
    return storable(type(error).__qualname__)[:200]


def keep_stacks(seen: Sequence[Seen]) -> dict[str, str]:
    """The digest of every stack, each stored once."""
    frames = {one.stack: last_frame(one.failure.exception.__traceback__) for one in seen if one.stack}
    digests = {stack: sha256(stack.encode()).hexdigest() for stack in frames}
    rows = [
        Traceback(sha256=digests[stack], frame=storable(frame)[:200], text=stack) for stack, frame in frames.items()
    ]
    if rows:
        Traceback.objects.bulk_create(sorted(rows, key=lambda row: str(row.sha256)), ignore_conflicts=True)
    return digests


def record_of(batch: Batch, one: Seen, groups: dict[str, Known], stacks: dict[str, str]) -> ErrorRecord:
    failure = one.failure
    return ErrorRecord(
        batch=batch,
        item_id=failure.item_id or None,
        group_id=groups[one.identity.fingerprint].id,
        origin_id=one.origin,
        item_key=failure.item_key,
        position=failure.position,
        attempt=failure.attempt,
        error_type=one.error_type,
        code=one.found.code,
        category=one.found.category,
        classified_by=one.found.classified_by,
        retryable=one.found.retryable,
        message=one.message,
        fields=one.fields,
        asked_wait=asked_wait(failure.exception),
        traceback_id=stacks.get(one.stack),
        final=failure.final,
        started_at=failure.started_at,
        finished_at=failure.finished_at,
        worker=failure.worker,
    )


def culprits(exception: BaseException) -> list[str]:
    """Payload fields the processor named."""
    named = hung_on(exception, "fields") if isinstance(exception, ItemError) else ()
    return [storable(str(name))[:200] for name in named[:FIELDS]] if isinstance(named, (list, tuple)) else []


def asked_wait(exception: BaseException) -> float | None:
    """What a `Retry-After` came to, in seconds."""
    asked = hung_on(exception, "after")
    return float(asked) if isinstance(asked, (int, float)) and 0 <= asked <= 24 * 3600 else None
