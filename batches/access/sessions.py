"""Sessions of people who have not come back."""

from __future__ import annotations

from importlib import import_module

from django.apps import apps
from django.conf import settings


def forget_ended() -> None:
    """Remove the sessions that have expired, wherever the project keeps them."""
    if apps.is_installed("django.contrib.sessions"):
        import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
