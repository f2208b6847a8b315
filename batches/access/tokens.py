"""Tokens: how one is made and told again, and who comes by it."""

from __future__ import annotations

import hmac
import logging
import secrets
from datetime import timedelta
from hashlib import sha256

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from batches.access.failures import count_wrong_token
from batches.exceptions import WrongToken
from batches.models import AccessToken
from batches.models.access import PREFIX_LENGTH

logger = logging.getLogger("batches")

MARK = "bpt_"
"""How a token begins, so that people and scanners know one when they see it."""
SECRET_BYTES = 32
LONGEST_KEY = 200
USE_SECONDS = 60
"""The last use is written when the one on record is older."""


def new_key() -> str:
    """A key whose first `PREFIX_LENGTH` characters are shown ever after, and whose rest is 256 random bits."""
    return f"{MARK}{secrets.token_hex(PREFIX_LENGTH)[: PREFIX_LENGTH - len(MARK)]}{secrets.token_urlsafe(SECRET_BYTES)}"


def digest_of(key: str) -> str:
    """SHA-256 in hexadecimal digits: no slow hash is needed for 256 random bits, and each request computes it."""
    return sha256(key.encode()).hexdigest()


def by_key(key: str) -> AccessToken | None:
    """The token of that key, whatever its state."""
    if not key.isascii() or not key.isprintable() or len(key) > LONGEST_KEY:
        return None
    digest = digest_of(key)
    alike = AccessToken._default_manager.select_related("user").filter(prefix=key[:PREFIX_LENGTH])
    return next((token for token in alike if hmac.compare_digest(str(token.digest), digest)), None)


def authenticate(key: str, address: str, door: str) -> AccessToken:
    """The token in force of that key, whose use is noted; else `WrongToken`, or `TooManyRequests` where too many
    wrong ones came from that address. A right one is let in all the same."""
    token = by_key(key)
    if token is None or token.state != "in force" or not token.user.is_active:
        count_wrong_token(key[:PREFIX_LENGTH] if token is not None else "", address, door)
        raise WrongToken("This token is not valid." if token is None else f"This token is {refusal_of(token)}.")
    note_use(token, address)
    return token


def refusal_of(token: AccessToken) -> str:
    return token.state if token.state != "in force" else "of an account that is closed"


def note_use(token: AccessToken, address: str) -> None:
    """When and from where it was used last: one statement, a minute after the last one at the earliest."""
    now = timezone.now()
    due = Q(last_used_at=None) | Q(last_used_at__lte=now - timedelta(seconds=USE_SECONDS))
    if token.last_used_at is not None and token.last_used_at > now - timedelta(seconds=USE_SECONDS):
        return
    try:
        with transaction.atomic():
            AccessToken._default_manager.filter(due, pk=token.pk).update(last_used_at=now, last_used_address=address)
    except DatabaseError as error:  # a request is not refused because its note could not be written
        logger.warning("the last use of token %s could not be noted: %s", token.prefix, error)


def revoke(tokens: Q, by: str, reason: str) -> int:
    """Those meant that are not revoked yet; how many."""
    ended = AccessToken._default_manager.filter(tokens, revoked_at=None)
    return ended.update(revoked_at=timezone.now(), revoked_by=by, revoked_reason=reason)
