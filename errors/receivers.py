"""Writes error records, groups and their counters inside the chunk's transaction, in a few statements for all."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest
from django.dispatch import receiver

from batches.classification import Classification, classify
from batches.models import Batch
from batches.outcomes import Failure, describe, storable
from batches.processors import ItemError
from batches.redaction import redact_text
from batches.signals import item_failed
from errors.fingerprints import identify
from errors.models import BatchGroup, ErrorGroup, ErrorRecord

MAX_TRACEBACK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """A failure put into words, classified and fingerprinted."""

    failure: Failure
    message: str
    error_type: str
    found: Classification
    title: str
    fingerprint: str


@receiver(item_failed)
def write_errors(sender: type[Batch], batch: Batch, failures: Sequence[Failure], **kwargs: Any) -> None:
    """Groups in the order of their fingerprints, so that lanes cannot block each other; then counters and records."""
    seen = [look(batch.processor, failure) for failure in failures]
    groups = upsert_groups(batch, seen)
    count_in_batch(batch, seen, groups)
    ErrorRecord.objects.bulk_create([record_of(batch, one, groups[one.fingerprint]) for one in seen])


def look(processor: str, failure: Failure) -> Seen:
    message = redact_text(describe(failure.exception), failure.payload)
    error_type = type(failure.exception).__qualname__[:200]
    found = classify(failure.exception, failure.code, message)
    known = identify(processor, failure.exception, found.code, message, failure.payload)
    return Seen(failure, message, error_type, found, known.title[:600], known.fingerprint)


def upsert_groups(batch: Batch, seen: Sequence[Seen]) -> dict[str, int]:
    """Every fingerprint's group id; missing groups are made."""
    first: dict[str, Seen] = {}
    for one in seen:
        first.setdefault(one.fingerprint, one)
    ordered = [first[key] for key in sorted(first)]
    ErrorGroup.objects.bulk_create(
        [
            ErrorGroup(
                processor=batch.processor,
                fingerprint=one.fingerprint,
                error_type=one.error_type,
                code=one.found.code,
                category=one.found.category,
                title=one.title,
                first_seen=one.failure.finished_at,
                last_seen=one.failure.finished_at,
            )
            for one in ordered
        ],
        update_conflicts=True,
        unique_fields=["processor", "fingerprint"],
        update_fields=["last_seen"],
    )
    found = ErrorGroup.objects.filter(processor=batch.processor, fingerprint__in=first)
    return dict(found.values_list("fingerprint", "pk"))


def count_in_batch(batch: Batch, seen: Sequence[Seen], groups: dict[str, int]) -> None:
    """Relative counters, in one order for all lanes."""
    for key in sorted({one.fingerprint for one in seen}):
        times = [one.failure.finished_at for one in seen if one.fingerprint == key]
        row = BatchGroup.objects.filter(batch=batch, group_id=groups[key])
        later = max(times) if connection.vendor == "sqlite" else Greatest(F("last_seen"), max(times))
        if not row.update(errors=F("errors") + len(times), last_seen=later):
            _, created = BatchGroup.objects.get_or_create(
                batch=batch,
                group_id=groups[key],
                defaults={"errors": len(times), "first_seen": min(times), "last_seen": max(times)},
            )
            if not created:
                row.update(errors=F("errors") + len(times))


def record_of(batch: Batch, one: Seen, group_id: int) -> ErrorRecord:
    failure = one.failure
    return ErrorRecord(
        batch=batch,
        item_id=failure.item_id or None,
        group_id=group_id,
        item_key=failure.item_key,
        position=failure.position,
        attempt=failure.attempt,
        error_type=one.error_type,
        code=one.found.code,
        category=one.found.category,
        classified_by=one.found.classified_by,
        message=one.message,
        fields=[storable(str(name))[:200] for name in getattr(failure.exception, "fields", ())][:50]
        if isinstance(failure.exception, ItemError)
        else [],
        traceback=stack_of(failure),
        final=failure.final,
        started_at=failure.started_at,
        finished_at=failure.finished_at,
        worker=failure.worker,
    )


def stack_of(failure: Failure) -> str:
    """The frames of the processor, without values; an error the processor raised on purpose needs none."""
    if isinstance(failure.exception, ItemError):
        return ""
    try:
        frames = traceback.extract_tb(failure.exception.__traceback__)
        text = "".join(traceback.format_list([f for f in frames if "/batches/runner.py" not in f.filename][-30:]))
    except Exception:
        return ""
    return redact_text(text[:MAX_TRACEBACK].replace("\x00", ""), failure.payload)
