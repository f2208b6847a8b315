"""A failed attempt in full: its message, payload and traceback, freed of secrets and marked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from batches.models import Batch
from batches.redaction import redact, redact_text
from errors.desk.group_page.frames import Raised, frames_of
from errors.desk.group_page.marked import Line, Part, message_parts, payload_lines, spoken_of
from errors.desk.group_page.past_payload import PastPayloads, changed_fields, payload_at
from errors.models import ErrorGroup, ErrorRecord

SHOWN_LINES, SHOWN_LENGTH = 2, 512
"""Of a message, what is shown with its varying parts marked."""


@dataclass(frozen=True, slots=True)
class ShownFailure:
    """A failed attempt in full, freed of secrets."""

    record: ErrorRecord
    parts: list[Part]
    """The first lines of the message, what varies from item to item marked."""
    message: str
    """The whole message."""
    payload: Any
    lines: list[Line]
    """The payload as indented JSON; `is_cut` if it goes on."""
    is_cut: bool
    corrected: list[str]
    """Fields that were corrected since."""
    marked: list[str]
    """Fields of the payload that the message speaks of."""
    traceback: str
    chain: list[Raised]
    """The traceback taken apart."""

    @property
    def is_message_longer(self) -> bool:
        """Whether the message is more than the parts."""
        return len(self.message) > SHOWN_LENGTH or len(self.message.strip().splitlines()) > SHOWN_LINES


def records_of(batch: Batch, group: ErrorGroup) -> QuerySet[ErrorRecord]:
    return ErrorRecord.objects.filter(batch=batch, group=group).order_by("pk")


def failure_of(batch: Batch, record: ErrorRecord, past: PastPayloads) -> ShownFailure:
    """`past`: payloads that the item had before it was corrected."""
    then = payload_at(record.item, record.started_at, past) if record.item else None
    payload = redact(then) if record.item else None
    corrected = changed_fields(then, record.item.payload) if record.item else []
    message, stack = safe_message(record), safe_stack(record)
    parts = message_parts(message, payload, columns_of(batch))
    marked = spoken_of(parts, record.fields)
    lines, is_cut = payload_lines(payload, marked) if record.item else ([], False)
    return ShownFailure(
        record=record,
        parts=parts,
        message=message,
        payload=payload,
        lines=lines,
        is_cut=is_cut,
        corrected=corrected,
        marked=sorted(marked),
        traceback=stack,
        chain=frames_of(stack),
    )


def safe_message(record: ErrorRecord) -> str:
    """It was freed of secrets when it was written; what PORTAL_REDACT names since is masked as well."""
    return redact_text(record.message, record.item.payload) if record.item else record.message


def safe_stack(record: ErrorRecord) -> str:
    if record.traceback is None:
        return ""
    return redact_text(record.traceback.text, record.item.payload) if record.item else record.traceback.text


def columns_of(batch: Batch) -> list[str]:
    columns = batch.source.get("columns")
    return [str(name) for name in columns] if isinstance(columns, list) else []
