"""What this process itself knows to be secret: the environment's PORTAL_SECRET_… and the passwords of its settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from batches.conf import settings

SECRET_ENVIRONMENT = "PORTAL_SECRET_"  # noqa: S105 - a prefix of names
PREFIX = SECRET_ENVIRONMENT.encode()
SHORTEST_PASSWORD = 6
"""Characters of a setting's password below which it is a word that stands in messages by chance."""


def known_secrets() -> frozenset[str]:
    """The secrets themselves, as they are now."""
    named = tuple(name for name in os.environb if name.startswith(PREFIX))
    values = frozenset(os.environ[os.fsdecode(name)] for name in named)
    return (values | of_settings(*secret_settings())) - {""}


def secret_settings() -> tuple[Any, ...]:
    passwords = tuple(str(database.get("PASSWORD") or "") for database in settings.DATABASES.values())
    addresses = (str(getattr(settings, "CELERY_BROKER_URL", "") or ""), settings.REDIS_URL)
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS, settings.EMAIL_HOST_PASSWORD or "")
    return passwords, addresses, keys


@lru_cache(maxsize=8)
def of_settings(passwords: tuple[str, ...], addresses: tuple[str, ...], keys: tuple[str, ...]) -> frozenset[str]:
    secrets = (*passwords, *keys, *passwords_in(addresses))
    return frozenset(secret for secret in secrets if len(secret) >= SHORTEST_PASSWORD)


def passwords_in(addresses: tuple[str, ...]) -> Iterator[str]:
    for address in addresses:
        if password := urlsplit(str(address)).password:
            yield password
            yield unquote(password)
