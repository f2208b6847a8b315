"""What the portal's pages need under any admin site."""

from __future__ import annotations

from django import template
from django.conf import settings
from django.template import Context
from django.urls import reverse
from django.utils import timezone

from batches.extensions import Link, Notice, current_notices, registered
from batches.moments import zone_name
from batches.reader_zone import chosen_zone

register = template.Library()


@register.simple_tag
def portal_notices() -> list[Notice]:
    """What is wrong at this moment."""
    return current_notices()


@register.simple_tag
def answers_acts() -> bool:
    """Whether the project tells a page's script what became of an act."""
    return "batches.page_acts.answer_acts" in settings.MIDDLEWARE


@register.simple_tag
def zone_shown() -> str:
    """The zone in which this page's moments are."""
    return timezone.get_current_timezone_name()


@register.simple_tag
def zone_name_shown() -> str:
    """Its short name, as it stands beside each moment of today."""
    return zone_name(timezone.localtime())


@register.simple_tag(takes_context=True)
def zone_chosen(context: Context) -> str:
    """The zone of the reader's setting; empty where that is the browser's."""
    request = context.get("request")
    return chosen_zone(request) if request is not None and hasattr(request, "session") else ""


@register.simple_tag
def portal_navigation() -> list[Link]:
    """The links at the head of every page: the batches, and what extensions add."""
    added = [link for extension in registered() for link in extension.navigation()]
    own = (("Batches", "batches_batch"), ("Workers", "batches_worker"))
    links = [Link(label, reverse(f"admin:{name}_changelist")) for label, name in own]
    return [links[0], *added, *links[1:]]
