"""Texts that are encrypted in the database, with keys made from `SECRET_KEY` and its fallbacks."""

from __future__ import annotations

import base64
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

logger = logging.getLogger("batches")

PURPOSE = b"batchportal: texts encrypted in the database"
"""Keeps this key apart from those that Django makes from `SECRET_KEY`."""


class EncryptedField(models.TextField):
    """A text that stands in the database as a Fernet token (AES-128-CBC with HMAC-SHA256), and as itself in Python.

    One that no key opens is empty, so that a list can be shown that has it in a row. No lookup finds a text by what it
    says.
    """

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypted(value) if value else value

    def get_prep_value(self, value: Any) -> Any:
        return encrypted(str(value)) if value else value


def encrypted(text: str) -> str:
    """A token of the text, by the newest key."""
    return fernet(*keys()).encrypt(text.encode()).decode()


def decrypted(token: str) -> str:
    """The text of a token, by whichever key opens it; empty where none does."""
    from cryptography.fernet import InvalidToken  # with the first such text, not with every process

    try:
        return fernet(*keys()).decrypt(token.encode()).decode()
    except InvalidToken:
        logger.error("an encrypted text cannot be read: SECRET_KEY is another, and SECRET_KEY_FALLBACKS lack its key")
        return ""


def is_current(token: str) -> bool:
    """Whether the newest key made that token."""
    from cryptography.fernet import InvalidToken  # as in `decrypted`

    try:
        fernet(keys()[0]).decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def keys() -> tuple[str, ...]:
    """The newest first."""
    return settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS


@lru_cache(maxsize=8)
def fernet(*secrets: str) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet  # as in `decrypted`

    return MultiFernet([Fernet(derived(secret)) for secret in secrets])


def derived(secret: str) -> bytes:
    """A key of 32 bytes in base64, of a secret that is long and random (RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256  # as in `decrypted`
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return base64.urlsafe_b64encode(HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret.encode()))
