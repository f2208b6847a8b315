"""A failure as recording works on it: put into words that hold no secret, classified and fingerprinted."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from batches.failures import Classification, Failure
from batches.lanes.classification import CODES, attribute_of
from batches.lanes.exception_groups import decisive_member
from batches.lanes.outcomes import describe_failure, storable
from batches.models import Batch
from batches.processors import ItemError
from batches.redaction import redact_recurring
from errors.grouping.fingerprints import Identity, identify, identify_as_other
from errors.grouping.tracebacks import stack_of

logger = logging.getLogger("errors")

MAX_FIELDS = 50
MAX_WAIT_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class SeenFailure:
    """One failed attempt; `fields` are those of the payload that the processor named as culprits.

    `origin` is the group of the failure's own fingerprint, where that was merged into the group in which it counts;
    `asked_wait` is what the other side asked for, in seconds.
    """

    failure: Failure
    message: str
    error_type: str
    classification: Classification
    identity: Identity
    stack: str
    fields: list[str] = field(default_factory=list)
    origin: int | None = None
    asked_wait: float | None = None

    @property
    def fingerprint(self) -> str:
        return self.identity.fingerprint


def see(batch: Batch, failure: Failure) -> SeenFailure:
    """The failure in words. One that cannot be read is seen by its class: an exception must not lose its item."""
    try:
        return read(batch, failure)
    except Exception:
        logger.exception("batch %s, item %s: its exception cannot be read", batch.pk, failure.position)
        return unreadable(batch, failure)


def read(batch: Batch, failure: Failure) -> SeenFailure:
    """The failure by what its exception says; raises whatever a hostile exception raises when it is looked at."""
    error, payload = decisive_member(failure.exception), failure.payload
    text = failure.text or describe_failure(failure.exception, failure.code, payload, batch.params)
    kind, columns = text.classification, batch.source.get("columns") or ()
    identity = identify(batch.processor, error, kind.code, storable(text.uncut), payload, columns, text.redacted)
    return SeenFailure(
        failure=failure,
        message=text.message,
        error_type=text.redacted(type_name(error))[:200],
        classification=kind,
        identity=replace(identity, title=storable(identity.title)[:600], key=storable(identity.key)[:600]),
        stack=redact_recurring(stack_of(failure.exception), text.secrets, source=True),
        fields=[text.redacted(name) for name in culprit_fields(error)],
        asked_wait=asked_wait(error),
    )


def unreadable(batch: Batch, failure: Failure) -> SeenFailure:
    """The failure by its class alone."""
    error = failure.exception
    return SeenFailure(
        failure=failure,
        message=f"<unreadable {storable(type(error).__name__)}>",
        error_type=type_name(error),
        classification=Classification("unknown", CODES["unknown"], None, "none"),
        identity=identify_as_other(batch.processor, error, CODES["unknown"]),
        stack="",
    )


def type_name(error: BaseException) -> str:
    return storable(type(error).__qualname__)[:200]


def culprit_fields(exception: BaseException) -> list[str]:
    """Payload fields that the processor named."""
    named = attribute_of(exception, "fields") if isinstance(exception, ItemError) else ()
    return [storable(str(name))[:200] for name in named[:MAX_FIELDS]] if isinstance(named, (list, tuple)) else []


def asked_wait(exception: BaseException) -> float | None:
    """What a `Retry-After` came to, in seconds; None without one that makes sense."""
    seconds = attribute_of(exception, "after")
    return float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds <= MAX_WAIT_SECONDS else None
