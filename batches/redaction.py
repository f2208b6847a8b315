"""Values that must not be shown: masked wherever a payload, a parameter or a message leaves the portal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings

MASK = "[redacted]"
DEEPEST = 100


def is_secret(key: Any) -> bool:
    """Whether a key names a secret by PORTAL_REDACT: case and `-`, `_`, space make no difference."""
    return names_secret(str(key)[:500], tuple(settings.PORTAL_REDACT))


@lru_cache(maxsize=4096)
def names_secret(key: str, words: tuple[str, ...]) -> bool:
    return any(plain(word) in plain(key) for word in words if plain(word))


def plain(word: str) -> str:
    return re.sub(r"[-_\s]", "", word).lower()


def redact(value: Any, depth: int = 0) -> Any:
    """The value with everything under a secret key masked, at any depth."""
    if depth > DEEPEST:
        return MASK
    if isinstance(value, Mapping):
        return {key: MASK if is_secret(key) else redact(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(inner, depth + 1) for inner in value]
    return value


def secrets_in(value: Any, depth: int = 0) -> set[str]:
    """The texts that stand under secret keys."""
    found: set[str] = set()
    if depth > DEEPEST:
        return found
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if is_secret(key):
                found |= texts_in(inner)
            else:
                found |= secrets_in(inner, depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            found |= secrets_in(inner, depth + 1)
    return found


def texts_in(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set().union(*(texts_in(inner) for inner in value.values())) if value else set()
    if isinstance(value, (list, tuple)):
        return set().union(*(texts_in(inner) for inner in value)) if value else set()
    text = str(value)
    return {text} if len(text) >= 4 else set()


def redact_text(text: str, payload: Any) -> str:
    """A message without the secret values of its item."""
    for secret in sorted(secrets_in(payload), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
