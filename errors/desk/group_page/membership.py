"""Why the errors of a group are together: what they have in common, a few as they were, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, QuerySet

from batches.models import Batch
from errors.desk.group_page.failure import records_of, safe_message
from errors.models import BatchGroup, ErrorRecord

RAW_MESSAGES, MESSAGES_READ = 3, 50
MESSAGE_LENGTH = 300
PLACES_COUNTED_OVER = 1_000
"""Places in the code are counted over so many of the latest errors."""
PLACES_LISTED = 20


@dataclass(frozen=True, slots=True)
class Place:
    """A function in the code, empty for errors without a traceback, and how many errors came from it."""

    frame: str
    errors: int


@dataclass(frozen=True, slots=True)
class Membership:
    """What makes an error a member of the group."""

    traits: list[tuple[str, str]]
    """Name and value of everything that its members share."""
    raw_messages: list[str]
    places: list[Place]
    errors_counted: int
    """Over how many of its errors the places were counted."""
    is_complete: bool

    @property
    def places_title(self) -> str:
        if len(self.places) == 1:
            return "One place in the code"
        return f"{len(self.places)} places in the code"


def membership(batch: Batch, rollup: BatchGroup) -> Membership:
    group = rollup.group
    latest = records_of(batch, group).order_by("-pk")
    return Membership(
        traits=[
            ("processor", group.processor or "Python API"),
            ("exception", group.error_type),
            ("code", group.code),
            ("message", group.key or group.title),
        ],
        raw_messages=raw_messages(latest),
        places=places(latest),
        errors_counted=min(rollup.errors, PLACES_COUNTED_OVER),
        is_complete=rollup.errors <= PLACES_COUNTED_OVER,
    )


def raw_messages(latest: QuerySet[ErrorRecord]) -> list[str]:
    """Some that differ, so that one can see what the template hides."""
    texts: dict[str, None] = {}
    for record in latest.select_related("item")[:MESSAGES_READ]:
        texts.setdefault(safe_message(record)[:MESSAGE_LENGTH], None)
    return list(texts)[:RAW_MESSAGES]


def places(latest: QuerySet[ErrorRecord]) -> list[Place]:
    """Innermost frames, the most frequent first."""
    some = ErrorRecord.objects.filter(pk__in=latest.values("pk")[:PLACES_COUNTED_OVER]).order_by()
    rows = some.values_list("traceback__frame").annotate(n=Count("pk")).order_by("-n", "traceback__frame")
    return [Place(frame or "", n) for frame, n in rows[:PLACES_LISTED]]
