"""The head of a group's page: its state and why it is in it, its numbers, and where else it was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import F
from django.urls import reverse

from batches.models import Batch
from errors.detectors.findings import percent
from errors.filters.error_filter import ErrorFilter
from errors.grouping.regressions import items_of
from errors.models import BatchGroup, ErrorGroup, ErrorRecord, GroupChange

State = ErrorGroup.State
BATCHES_SHOWN = 30
COUNTED_UP_TO = 10_000
"""With more errors than this, how many items still fail is not counted while a page waits."""
WIDE, HIGH, GAP = 240, 44, 2


@dataclass(frozen=True, slots=True)
class Number:
    """One number of the head, of how many, and the rows behind it."""

    n: int
    what: str
    of: str
    url: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One batch in the sparkline."""

    x: float
    y: float
    width: float
    height: float
    here: bool
    words: str


# -- why it is in its state --------------------------------------------------------------------------------------------


def why(group: ErrorGroup, last: GroupChange | None) -> str:
    """The reason of the state it is in, in one sentence, without the state's name."""
    if last and last.verb == "unignore":
        return last.reason
    if group.state == State.NEW:
        return "nobody has looked at it"
    if group.state == State.REGRESSED:
        return f"it came back after it was resolved: {lowered(last.reason)}" if last else "it came back"
    if group.state == State.ACKNOWLEDGED:
        return taken_up(group, last)
    if group.state == State.RESOLVED:
        version = f"in version {group.resolved_in}" if group.resolved_in else ""
        late = f"; {group.late:,} late {plural(group.late, 'error')} of attempts before that" if group.late else ""
        return f"{version}{by(last)}{late}".strip() or "it should not come back"
    return f"{until_when(group)}{by(last)}"


def taken_up(group: ErrorGroup, last: GroupChange | None) -> str:
    """Who is on it, and how that came about."""
    if last is None:
        return "somebody is on it"
    if last.verb == "assign" and group.assignee is not None:
        return f"{group.assignee} is on it, assigned{by(last)}"
    said = f": {last.reason}" if last.reason and last.verb != "assign" else ""
    return (
        f"reopened by {last.actor or 'the portal'}{said}" if last.verb == "reopen" else f"{last.actor} is on it{said}"
    )


def plural(n: int, word: str) -> str:
    return word if n == 1 else f"{word}s"


def lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def by(change: GroupChange | None) -> str:
    """Who, and the reason they gave; when stands beside it on the page."""
    if change is None:
        return ""
    said = f": {change.reason}" if change.reason and change.verb not in ("assign", "unignore") else ""
    return f" by {change.actor or 'the portal'}{said}"


def until_when(group: ErrorGroup) -> str:
    """What ends its being ignored, and how near that is."""
    until = group.until
    if "date" in until:
        return f"until {datetime.fromisoformat(until['date']).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if "items" in until:
        seen = items_of(group.pk) - int(until.get("from", 0))
        return f"until more than {until['items']:,} items have it ({max(0, seen):,} so far)"
    if "rate" in until:
        return f"until it hits more than {until['rate']:g} % of a batch's items"
    return "until it is in a batch submitted later" if "next_batch" in until else "for good"


def last_change(group: ErrorGroup) -> GroupChange | None:
    """The one that led to its state."""
    moves = group.changes.exclude(verb="note").filter(to_state=group.state).exclude(from_state=F("to_state"))
    return moves.order_by("-pk").first()


# -- its numbers -------------------------------------------------------------------------------------------------------


def numbers(rollup: BatchGroup, errors: int) -> list[Number]:
    """From the rollup, each with its denominator."""
    batch, group = rollup.batch, rollup.group
    items = reverse("admin:errors_group", args=[batch.pk, group.fingerprint]) + "?tab=items"
    records = f"{reverse('admin:errors_records', args=[batch.pk])}?{ErrorFilter(group=group.fingerprint).query_string}"
    total = max(batch.total_items, rollup.items)
    found = [
        Number(
            rollup.items, plural(rollup.items, "item"), f"{share(rollup.items, total)} of the batch's {total:,}", items
        ),
        Number(
            rollup.errors,
            plural(rollup.errors, "error"),
            f"{share(rollup.errors, errors)} of the batch's {errors:,}",
            records,
        ),
    ]
    failing = still_failing(rollup)
    if failing is not None:
        words = "still fails" if failing == 1 else "still fail"
        found.append(Number(failing, words, f"{share(failing, rollup.items)} of its items", f"{items}&now=failed"))
    return found


def share(n: int, of: int) -> str:
    return percent(n / of) if of else "0%"


def still_failing(rollup: BatchGroup) -> int | None:
    """Items whose last attempt failed so; None where that is unknown or would take long."""
    if not rollup.batch.processor or rollup.errors > COUNTED_UP_TO:
        return None
    last = ErrorRecord.objects.filter(batch=rollup.batch_id, group=rollup.group_id, attempt=F("item__attempts"))
    return last.filter(item__failed_at__isnull=False).count()


# -- where else --------------------------------------------------------------------------------------------------------


def seen_in(batch: Batch, group: ErrorGroup) -> dict[str, Any]:
    """The last batches of the processor, with and without it."""
    latest = list(
        Batch.objects.filter(processor=group.processor)
        .order_by("-created_at", "-pk")
        .only("pk", "name", "total_items", "created_at")[:BATCHES_SHOWN]
    )
    if batch.pk not in {one.pk for one in latest}:
        latest = [*latest[: BATCHES_SHOWN - 1], batch]
    rows = BatchGroup.objects.filter(group=group)
    here = {row.batch_id: row for row in rows.filter(batch__in=[one.pk for one in latest])}
    listed = [
        {"batch": one, "items": here[one.pk].items, "share": share(here[one.pk].items, one.total_items)}
        for one in latest
        if one.pk in here
    ]
    met = rows.count()
    return {
        "batches": met,
        "bars": bars(latest[::-1], here, batch),
        "words": f"Seen in {len(here):,} of the last {len(latest):,} batches of its processor.",
        "listed": listed[:10],
        "more": met - len(listed[:10]),
    }


def bars(batches: Sequence[Batch], here: Mapping[str, BatchGroup], current: Batch) -> list[Bar]:
    """The share of each batch's items that it hit, the oldest batch first; a dot where it was not seen."""
    shares = [here[one.pk].items / max(1, one.total_items) if one.pk in here else 0.0 for one in batches]
    top, step = max(shares, default=0) or 1, WIDE / max(12, len(batches))
    made = []
    for n, (one, part) in enumerate(zip(batches, shares, strict=True)):
        high = max(4.0, part / top * (HIGH - 4)) if part else 1.5
        items = f"{here[one.pk].items:,} of {one.total_items:,} items" if one.pk in here else "not seen"
        made.append(
            Bar(
                round(n * step, 1),
                round(HIGH - high, 1),
                round(step - GAP, 1),
                round(high, 1),
                one.pk == current.pk,
                f"{one}: {items}",
            )
        )
    return made
