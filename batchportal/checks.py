"""System checks of the portal's own settings; each has a number and a hint."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks

from batchportal import safe_settings

RANDOM = 'python -c "import secrets; print(secrets.token_urlsafe(50))" makes a key.'


def level() -> type[checks.Warning] | type[checks.Error]:
    """An error, unless the portal is only tried out."""
    return checks.Warning if settings.DEBUG else checks.Error


@checks.register("portal", checks.Tags.security)
def secret_keys(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """001: a key that can be guessed. 003: an earlier one, which still opens what it signed."""
    weakness, fallbacks = safe_settings.weakness(settings.SECRET_KEY), settings.SECRET_KEY_FALLBACKS
    messages: list[checks.CheckMessage] = []
    if weakness:
        messages.append(level()(f"SECRET_KEY is too weak: {weakness}.", hint=RANDOM, id="portal.E001"))
    if any(map(safe_settings.weakness, fallbacks)):
        hint = "Take it out once the hourly clean-up has run, and everybody has signed in anew."
        messages.append(checks.Warning("One of SECRET_KEY_FALLBACKS is too weak.", hint=hint, id="portal.W003"))
    return messages


@checks.register("portal", checks.Tags.security)
def allowed_hosts(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """002: an entry that stands for any host."""
    hint = "Name the hosts: portal.example.com, or .example.com for all below it."
    return [
        level()(f"ALLOWED_HOSTS: {entry!r} stands for any host.", hint=hint, id="portal.E002")
        for entry in safe_settings.too_wide_hosts(settings.ALLOWED_HOSTS)
    ]
