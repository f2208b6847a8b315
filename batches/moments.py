"""A moment in words: in the zone of whoever reads it, which is named, and with its day unless that is today."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, tzinfo

from django.utils import timezone


def moment(
    at: datetime,
    *,
    zone: tzinfo | None = None,
    now: datetime | None = None,
    seconds: bool = True,
    named: bool = True,
) -> str:
    """`20:07:32 CET` of today, `26 Nov 20:07:32 CET` of this year, `26 Nov 2025 20:07:32 CET` of another.

    In `zone`, or in the current one: a reader's on his pages, that of the settings elsewhere. Without the name of the
    zone where that stands beside it.
    """
    local = timezone.localtime(at, zone)
    today = timezone.localtime(now or timezone.now(), zone)
    day = "" if local.date() == today.date() else f"{local.day} {local:%b} "
    year = "" if local.year == today.year else f"{local:%Y} "
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    return f"{day}{year if day else ''}{clock}{f' {zone_name(local)}' if named else ''}"


def zone_name(local: datetime) -> str:
    """`CET`, or `UTC+03` for a zone that has a number for a name."""
    name = local.tzname() or "UTC"
    return f"UTC{name}" if name[:1] in "+-" else name


CLOCK = r"(?:(\d{4}-\d\d-\d\d) )?(\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)"
IN_UTC = re.compile(rf"\b{CLOCK}(?: to {CLOCK})? UTC\b")


def in_reader_zone(text: str, day: datetime | None) -> str:
    """The text with its times of day, which are in UTC and say so, in the current zone.

    `day` is when it happened: the date of a time that stands without one.
    """

    def rewritten(match: re.Match[str]) -> str:
        first_day, first, last_day, last = match.groups()
        reference = day.astimezone(UTC).date() if day else None
        begin = at_clock(first_day, first, reference)
        end = at_clock(last_day, last, begin.date() if begin else None) if last else None
        if begin is None or (last and end is None):
            return match[0]
        seconds = len(first) > len("12:00")
        return (
            f"{moment(begin, seconds=seconds, named=False)} to {moment(end, seconds=seconds)}"
            if end
            else moment(begin, seconds=seconds)
        )

    return IN_UTC.sub(rewritten, text)


def at_clock(day: str | None, clock: str, reference: date | None) -> datetime | None:
    """The moment of a date and a time of day in UTC; None without a date, or for what is no time."""
    try:
        on = date.fromisoformat(day) if day else reference
        return datetime.combine(on, time.fromisoformat(clock), UTC) if on else None
    except ValueError:
        return None
