"""What the portal's pages need under any admin site."""

from __future__ import annotations

from django import template
from django.urls import reverse

from batches.extensions import Link, Notice, registered

register = template.Library()


@register.simple_tag
def portal_notices() -> list[Notice]:
    """What is wrong at this moment."""
    return [notice for extension in registered() for notice in extension.notices()]


@register.simple_tag
def portal_navigation() -> list[Link]:
    """The links at the head of every page: the batches, and what extensions add."""
    added = [link for extension in registered() for link in extension.navigation()]
    own = (("Batches", "batches_batch"), ("Workers", "batches_worker"))
    links = [Link(label, reverse(f"admin:{name}_changelist")) for label, name in own]
    return [links[0], *added, *links[1:]]
