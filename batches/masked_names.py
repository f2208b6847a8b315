"""Which names are those of secrets: what stands under them is masked."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from batches.conf import settings

MASK = "[redacted]"


def is_secret(key: Any) -> bool:
    """Whether a key names a secret by PORTAL_REDACT: case and `-`, `_`, space make no difference."""
    return names_secret(str(key), secret_words())


def secret_words() -> tuple[str, ...]:
    return tuple(settings.PORTAL_REDACT)


@lru_cache(maxsize=4096)
def names_secret(key: str, words: tuple[str, ...]) -> bool:
    return any(plain(word) in plain(key) for word in words if plain(word))


def plain(word: str) -> str:
    return re.sub(r"[-_\s]", "", word).lower()
