"""Moments as pages show them: in the reader's zone, which the page's script knows where the server does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from batches import moments

register = template.Library()


@register.filter
def moment(at: datetime | None) -> SafeString:
    """A `<time>` to the second; nothing for None."""
    return element(at)


@register.filter
def minute(at: datetime | None) -> SafeString:
    """A `<time>` to the minute; nothing for None."""
    return element(at, seconds=False)


@register.filter
def zoneless(at: datetime | None) -> SafeString:
    """A `<time>` without the name of its zone, in a narrow column; nothing for None."""
    return element(at, named=False)


@register.filter
def parsed(text: str) -> datetime | None:
    """The moment that an ISO 8601 text names."""
    return parse_datetime(text)


@register.filter
def in_reader_zone(text: str, day: Any = None) -> str:
    """A sentence with its times of day in the reader's zone; `day`: the moment, or its ISO text, that it is about."""
    known = parse_datetime(day) if isinstance(day, str) and day else day
    return moments.in_reader_zone(text, known or None)


def element(at: datetime | None, *, seconds: bool = True, named: bool = True) -> SafeString:
    if at is None:
        return SafeString()
    form = SafeString("") if seconds and named else format_html(' data-form="{}"', "minute" if named else "zoneless")
    text = moments.moment(at, seconds=seconds, named=named)
    return format_html('<time datetime="{}"{}>{}</time>', at.astimezone(UTC).isoformat(), form, text)
