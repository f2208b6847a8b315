"""What the portal's pages need under any admin site."""

from __future__ import annotations

from django import template
from django.urls import reverse

from batches.extensions import Link, registered

register = template.Library()


@register.simple_tag
def portal_navigation() -> list[Link]:
    """The links at the head of every page: the batches, and what extensions add."""
    added = [link for extension in registered() for link in extension.navigation()]
    return [Link("Batches", reverse("admin:batches_batch_changelist")), *added]
