"""Writes error records, groups and their counters inside the chunk's transaction: a few statements however many failed.

Every lane writes in one order (groups, tracebacks, counters, each sorted), so that lanes cannot block each other.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.dispatch import receiver

from batches.lanes.classification import CODES, Classification, attribute_of
from batches.lanes.outcomes import Failure, describe_failure, storable
from batches.models import Batch
from batches.processors import ItemError
from batches.redaction import redact_shapes, replaced
from batches.signals import batch_transitioned, item_failed, items_rehearsed
from errors import tasks
from errors.grouping import group_counters, overrides, record_rows, regressions
from errors.grouping.existing_groups import known_groups
from errors.grouping.fingerprints import Identity, identify, others
from errors.grouping.tracebacks import stack_of
from errors.groups import clean_retries
from errors.recovery import recommendations

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
    asked_wait: float | None = None


@receiver(item_failed)
def write_errors(sender: type[Batch], batch: Batch, failures: Sequence[Failure], **kwargs: Any) -> None:
    """A record a failure, and everything counted."""
    seen = [look(batch, failure) for failure in failures]
    seen, groups = group_counters.groups_for(batch, seen)
    record_rows.write(batch, seen, groups)
    regressions.bring_back(batch, seen, groups)


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
    """What it says of itself, in words that hold no secret."""
    error, payload = failure.exception, failure.payload
    text = failure.text or describe_failure(error, failure.code, payload, batch.params)
    kind, columns = text.classification, batch.source.get("columns") or ()
    identity = identify(batch.processor, error, kind.code, storable(text.uncut), payload, columns, text.redacted)
    identity = replace(identity, title=storable(identity.title)[:600], key=storable(identity.key)[:600])
    stack = redact_shapes(replaced(stack_of(error), text.secrets), source=True)
    named = [text.redacted(name) for name in culprits(error)]
    asked = asked_wait(error)
    return Seen(failure, text.message, name_of(error), kind, identity, stack, named, asked_wait=asked)


def unreadable(batch: Batch, failure: Failure) -> Seen:
    """By class alone."""
    name = type(failure.exception).__name__
    found = Classification("unknown", CODES["unknown"], None, "none")
    identity = others(batch.processor, failure.exception, found.code)
    return Seen(failure, f"<unreadable {storable(name)}>", name_of(failure.exception), found, identity, "")


def name_of(error: BaseException) -> str:
    return storable(type(error).__qualname__)[:200]


def culprits(exception: BaseException) -> list[str]:
    """Payload fields the processor named."""
    named = attribute_of(exception, "fields") if isinstance(exception, ItemError) else ()
    return [storable(str(name))[:200] for name in named[:FIELDS]] if isinstance(named, (list, tuple)) else []


def asked_wait(exception: BaseException) -> float | None:
    """What a `Retry-After` came to, in seconds."""
    asked = attribute_of(exception, "after")
    return float(asked) if isinstance(asked, (int, float)) and 0 <= asked <= 24 * 3600 else None
