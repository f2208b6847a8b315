"""One failure of a group in full: message, payload with the fields the message speaks of marked, traceback."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet

from batches.models import Batch
from batches.redaction import redact, redact_text
from errors.desk.group_page.frames import frames_of
from errors.desk.group_page.marked import message_parts, payload_lines, spoken_of
from errors.models import BatchGroup, ErrorGroup, ErrorRecord

RAW, LOOKED_AT = 3, 50
PLACES_FROM = 1_000
"""Places in the code are counted over so many of the latest errors."""
MOST_PLACES = 20
LONG = 512


def records_of(batch: Batch, group: ErrorGroup) -> QuerySet[ErrorRecord]:
    return ErrorRecord.objects.filter(batch=batch, group=group).order_by("pk")


def chosen(records: QuerySet[ErrorRecord], wanted: int) -> ErrorRecord | None:
    """The failure that was asked for, or the latest."""
    known = records.select_related("item", "traceback")
    return (known.filter(pk=wanted).first() if wanted else None) or known.order_by("-pk").first()


def sample(batch: Batch, group: ErrorGroup, wanted: int = 0) -> dict[str, Any]:
    """The failure in full, with its neighbours; empty if the records are gone."""
    records = records_of(batch, group)
    record = chosen(records, wanted)
    if record is None:
        return {}
    return {
        **shown(batch, record),
        "record": record,
        "previous": records.filter(pk__lt=record.pk).order_by("-pk").values_list("pk", flat=True).first(),
        "next": records.filter(pk__gt=record.pk).values_list("pk", flat=True).first(),
    }


def shown(batch: Batch, record: ErrorRecord) -> dict[str, Any]:
    """Everything of it, freed of secrets."""
    payload = redact(record.item.payload) if record.item else None
    message = safe_message(record)
    parts = message_parts(message, payload, columns_of(batch))
    marked = spoken_of(parts, record.fields)
    lines, cut = payload_lines(payload, marked) if record.item else ([], False)
    stack = safe_stack(record)
    return {
        "parts": parts,
        "message": message if is_longer(message) else "",
        "lines": lines,
        "cut": cut,
        "marked": sorted(marked),
        "payload": payload,
        "traceback": stack,
        "chain": frames_of(stack),
    }


def safe_message(record: ErrorRecord) -> str:
    """It was freed of secrets when it was written; what PORTAL_REDACT names since is masked as well."""
    return redact_text(record.message, record.item.payload) if record.item else record.message


def safe_stack(record: ErrorRecord) -> str:
    if record.traceback is None:
        return ""
    return redact_text(record.traceback.text, record.item.payload) if record.item else record.traceback.text


def is_longer(message: str) -> bool:
    """Whether there is more than the first lines that are shown marked."""
    return len(message) > LONG or len(message.strip().splitlines()) > 2


def columns_of(batch: Batch) -> list[str]:
    columns = batch.source.get("columns")
    return [str(name) for name in columns] if isinstance(columns, list) else []


# -- why they are together ---------------------------------------------------------------------------------------------


def because(batch: Batch, rollup: BatchGroup) -> dict[str, Any]:
    """What the members have in common, piece by piece, a few raw messages, and where in the code they come from."""
    group = rollup.group
    latest = records_of(batch, group).order_by("-pk")
    return {
        "key": [
            ("processor", group.processor or "Python API"),
            ("exception", group.error_type),
            ("code", group.code),
            ("message", group.key or group.title),
        ],
        "raw": raw_messages(latest),
        "places": places(latest),
        "places_from": min(rollup.errors, PLACES_FROM),
        "all_counted": rollup.errors <= PLACES_FROM,
    }


def raw_messages(latest: QuerySet[ErrorRecord]) -> list[str]:
    """Some that differ, so that one can see what the template hides."""
    texts: dict[str, None] = {}
    for record in latest.select_related("item")[:LOOKED_AT]:
        texts.setdefault(safe_message(record)[:300], None)
    return list(texts)[:RAW]


def places(latest: QuerySet[ErrorRecord]) -> list[dict[str, Any]]:
    """Innermost frames, the most frequent first; an empty one stands for no traceback."""
    some = ErrorRecord.objects.filter(pk__in=latest.values("pk")[:PLACES_FROM]).order_by()
    rows = some.values("traceback__frame").annotate(n=Count("pk")).order_by("-n", "traceback__frame")
    return [{"frame": row["traceback__frame"] or "", "n": row["n"]} for row in rows[:MOST_PLACES]]
