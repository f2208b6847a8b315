"""System checks of the engine; each has a number and a hint."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from batches import outbound


@register("batches")
def outbound_hosts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001: an entry of the list of hosts that names none, and so allows nothing."""
    hint = "Write api.example.com, *.example.com, 10.0.0.7:8080, [fd00::7]:8080, or * for any public host."
    return [
        Error(f"PORTAL_OUTBOUND_HOSTS: {entry!r} names no host.", hint=hint, id="batches.E001")
        for entry in outbound.meaningless_entries(settings.PORTAL_OUTBOUND_HOSTS)
    ]
