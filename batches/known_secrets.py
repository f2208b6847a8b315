"""What this process itself knows to be secret: the environment's PORTAL_SECRET_… and the passwords of its settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.signals import setting_changed

from batches.conf import settings
from batches.masked_names import SETTINGS_READ_EVERY

SECRET_ENVIRONMENT = "PORTAL_SECRET_"  # noqa: S105 - a prefix of names
PREFIX = SECRET_ENVIRONMENT.encode()
SHORTEST_PASSWORD = 6
"""Characters of a setting's password below which it is a word that stands in messages by chance."""


@dataclass(frozen=True, slots=True)
class SecretsRead:
    """Secrets, the environment that they were read from, and until when (monotonic seconds) settings are not read
    again."""

    secrets: frozenset[str]
    environment: Mapping[Any, Any]
    until: float


_read = SecretsRead(frozenset(), {}, 0.0)


def known_secrets() -> frozenset[str]:
    """The secrets themselves, as they are now: a change of the environment is noticed at once, one of settings that
    nobody announces a tenth of a second later. Asked for every item, so that they are not worked out each time."""
    global _read
    read, environment = _read, environment_at_hand()
    if monotonic() >= read.until or environment != read.environment:
        environment = dict(environment)  # other threads may change it
        secrets = (of_environment(environment) | of_settings(*secret_settings())) - {""}
        _read = read = SecretsRead(secrets, environment, monotonic() + SETTINGS_READ_EVERY)
    return read.secrets


def environment_at_hand() -> Mapping[Any, Any]:
    """The environment as bytes, without a copy where Python has it at hand: comparing it takes a microsecond."""
    at_hand: Mapping[Any, Any] = getattr(os.environb, "_data", None) or dict(os.environb)
    return at_hand


def of_environment(environment: Mapping[Any, Any]) -> frozenset[str]:
    return frozenset(os.fsdecode(value) for name, value in environment.items() if name.startswith(PREFIX))


def forget(**_: Any) -> None:
    """Settings have changed: read them anew."""
    global _read
    _read = SecretsRead(frozenset(), {}, 0.0)


setting_changed.connect(forget, dispatch_uid="batches.known_secrets")


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
