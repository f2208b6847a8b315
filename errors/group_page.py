"""What the page of one error group shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from batches.models import Batch
from batches.pages import pill, pretty
from batches.redaction import redact
from errors.desk import Failed, failed_of
from errors.models import BatchGroup, ErrorGroup, ErrorRecord

RECORDS_SHOWN = 50
SAMPLES = 3
PLACEHOLDER = re.compile(r"<([^<>]{1,100})>")
State = ErrorGroup.State
LEGAL: dict[str, tuple[str, ...]] = {
    "acknowledge": (State.NEW, State.REGRESSED),
    "resolve": (State.NEW, State.ACKNOWLEDGED, State.REGRESSED),
    "ignore": (State.NEW, State.ACKNOWLEDGED, State.REGRESSED),
    "reopen": (State.RESOLVED, State.IGNORED),
}
"""Which buttons a group has now."""


def group_page(batch: Batch, group: ErrorGroup, after: int = 0) -> dict[str, Any]:
    """One group within one batch: its failures by keyset page, three samples, its history."""
    rollup = BatchGroup.objects.get(batch=batch, group=group)
    records = ErrorRecord.objects.filter(batch=batch, group=group).order_by("pk")
    page = list(records.filter(pk__gt=after).select_related("item")[: RECORDS_SHOWN + 1])
    samples = list(records.select_related("item", "traceback")[:SAMPLES])
    elsewhere = BatchGroup.objects.filter(group=group).exclude(batch=batch).select_related("batch")
    return {
        "batch": batch,
        "group": group,
        "rollup": rollup,
        "pill": pill(group.state, group.state),
        "sentence": group_sentence(rollup, failed_of(batch)),
        "records": page[:RECORDS_SHOWN],
        "next": page[RECORDS_SHOWN - 1].pk if len(page) > RECORDS_SHOWN else None,
        "samples": [sample_of(record, group) for record in samples],
        "because": because(group),
        "history": list(group.changes.order_by("-pk")[:100]),
        "elsewhere": list(elsewhere.order_by("-last_seen")[:10]),
        "batches": BatchGroup.objects.filter(group=group).count(),
        "retries": retries_of(batch, group),
        "buttons": buttons(group),
    }


def group_sentence(rollup: BatchGroup, failed: Failed) -> str:
    times = "" if rollup.errors == rollup.items else f" ({rollup.errors:,} attempts)"
    items = f"{rollup.items:,} {'item' if rollup.items == 1 else 'items'}"
    return f"{items} failed with this{times}, of {failed.total:,} in the batch."


def because(group: ErrorGroup) -> list[tuple[str, str]]:
    """What the members of a group have in common, piece by piece."""
    return [
        ("processor", group.processor or "Python API"),
        ("exception", group.error_type),
        ("code", group.code),
        ("message", group.key or group.title),
    ]


def sample_of(record: ErrorRecord, group: ErrorGroup) -> dict[str, Any]:
    """A failure with its payload, the fields that its message speaks of marked."""
    payload = redact(record.item.payload) if record.item else {}
    marked = {name.split(".")[0] for name in (*PLACEHOLDER.findall(group.title), *record.fields)}
    return {
        "record": record,
        "payload": [(name, pretty(value), name in marked) for name, value in payload.items()]
        if isinstance(payload, dict)
        else [("", pretty(payload), False)],
        "traceback": record.traceback,
    }


def retries_of(batch: Batch, group: ErrorGroup, most: int = 10) -> Sequence[Any]:
    """The retries which named this group, with what became of their items."""
    made = batch.retries.filter(scope__group=group.fingerprint).order_by("-number")[:most]
    return [{"retry": retry, "outcome": retry.outcome()} for retry in made]


def buttons(group: ErrorGroup) -> list[str]:
    return [verb for verb, states in LEGAL.items() if group.state in states]
