"""Which names are those of secrets: what stands under them is masked."""

from __future__ import annotations

import re
from functools import lru_cache
from time import monotonic
from typing import Any

from django.core.signals import setting_changed

from batches.conf import settings

MASK = "[redacted]"
SETTINGS_READ_EVERY = 0.1  # seconds

_words: tuple[tuple[str, ...], float] = ((), 0.0)


def is_secret(key: Any) -> bool:
    """Whether a key names a secret by PORTAL_REDACT: case and `-`, `_`, space make no difference."""
    return names_secret(str(key), secret_words())


def secret_words() -> tuple[str, ...]:
    """PORTAL_REDACT as it is, or was a tenth of a second ago where nobody has announced a change: every item asks."""
    global _words
    words, until = _words
    if monotonic() >= until:
        words = tuple(settings.PORTAL_REDACT)
        _words = (words, monotonic() + SETTINGS_READ_EVERY)
    return words


def forget(**_: Any) -> None:
    """Settings have changed: read them anew."""
    global _words
    _words = ((), 0.0)


setting_changed.connect(forget, dispatch_uid="batches.masked_names")


@lru_cache(maxsize=4096)
def names_secret(key: str, words: tuple[str, ...]) -> bool:
    return any(word in plain(key) for word in plain_words(words))


def may_name_secret(json_text: str, words: tuple[str, ...]) -> bool:
    """Whether the name of a secret may stand anywhere in a JSON text, as a key or within a value.

    Never False where one does: what is written with escapes is not looked into, and may.
    """
    if "\\" in json_text:
        return True
    if json_text.isascii():
        bare = json_text.lower().replace("-", "").replace("_", "").replace(" ", "")
    else:
        bare = plain(json_text)
    for word in plain_words(words):  # noqa: SIM110 - a generator takes twice as long
        if word in bare:
            return True
    return False


@lru_cache(maxsize=8)
def plain_words(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(filter(None, map(plain, words)))


def plain(word: str) -> str:
    return re.sub(r"[-_\s]", "", word).lower()
