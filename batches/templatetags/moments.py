"""Moments as pages show them: UTC from the server, which the page's script turns into the reader's own time."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def utc(at: datetime | None) -> SafeString:
    """A `<time>` to the second; nothing for None."""
    return element(at, "%Y-%m-%d %H:%M:%S")


@register.filter
def utc_minute(at: datetime | None) -> SafeString:
    """A `<time>` to the minute; nothing for None."""
    return element(at, "%Y-%m-%d %H:%M")


@register.filter
def clock(at: datetime | None) -> SafeString:
    """A `<time>` without its day, where that is clear; nothing for None."""
    return element(at, "%H:%M:%S", short=True)


@register.filter
def time_of_day(at: datetime | None) -> SafeString:
    """The same without its zone, in a narrow column; nothing for None."""
    return element(at, "%H:%M:%S", zone="", short=True)


def element(at: datetime | None, pattern: str, *, zone: str = " UTC", short: bool = False) -> SafeString:
    """`short` tells the page's script to leave the day out."""
    if at is None:
        return SafeString()
    at = at.astimezone(UTC)
    attribute = SafeString(" data-short") if short else ""
    return format_html('<time datetime="{}"{}>{}{}</time>', at.isoformat(), attribute, f"{at:{pattern}}", zone)
