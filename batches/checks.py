"""System checks of the engine; each has a number and a hint."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks

from batches import outbound
from batches.plugins import broken_plugins


@checks.register("batches")
def outbound_hosts(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """E001: an entry of the list of hosts that names none, and so allows nothing."""
    hint = "Write api.example.com, *.example.com, 10.0.0.7:8080, [fd00::7]:8080, or * for any public host."
    return [
        checks.Error(f"PORTAL_OUTBOUND_HOSTS: {entry!r} names no host.", hint=hint, id="batches.E001")
        for entry in outbound.meaningless_entries(settings.PORTAL_OUTBOUND_HOSTS)
    ]


@checks.register("batches")
def plugins_are_whole(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """W010: a plug-in could not be imported, and is left out."""
    return [
        checks.Warning(
            f"The plug-in {plugin.name} ({plugin.source}) cannot be imported: {plugin.error}",
            hint="Its models and processors are left out until it is mended, or is no longer named.",
            id="batches.W010",
        )
        for plugin in broken_plugins()
    ]
