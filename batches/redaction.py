"""Values that must not be shown: masked wherever a payload, a parameter or a message leaves the portal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

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
    secrets: set[str] = set()
    if depth > DEEPEST:
        return secrets
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if is_secret(key):
                secrets |= texts_in(inner)
            else:
                secrets |= secrets_in(inner, depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            secrets |= secrets_in(inner, depth + 1)
    return secrets


def texts_in(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        return set().union(*(texts_in(inner) for inner in value.values())) if value else set()
    if isinstance(value, (list, tuple)):
        return set().union(*(texts_in(inner) for inner in value)) if value else set()
    text = str(value)
    return {text} if len(text) >= 4 else set()


def redact_text(text: str, *sources: Any) -> str:
    """A message without the secrets of its item's payload, its batch's parameters, and what looks like one."""
    return redact_cards(redact_shapes(redact_values(text, *sources)))


def redact_values(text: str, *sources: Any) -> str:
    """Without what stands under secret keys in these."""
    return replaced(text, forms_in(*sources))


def forms_in(*sources: Any) -> list[str]:
    """What stands under secret keys in these, in every form in which a message may have it, the longest first."""
    secrets = set[str]().union(*(secrets_in(source) for source in sources))
    return sorted({form for secret in secrets for form in forms_of(secret)}, key=len, reverse=True)


def replaced(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def forms_of(secret: str) -> set[str]:
    """As it stands in a message: plain, in a repr, in JSON, in an address."""
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret)}


# -- what looks like a secret, whatever its key ------------------------------------------------------------------------

SHAPES = re.compile(
    r"""\beyJ[\w-]{5,4096}\.[\w-]{5,8192}\.[\w-]{0,4096}                               # a JSON web token
    | -----BEGIN[ ][A-Z ]{0,40}PRIVATE[ ]KEY-----(?:(?!-----END).){0,20000}(?:-----END[A-Z ]{0,60}-----)?
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                                                     # AWS
    | \bgh[pousr]_[0-9A-Za-z]{20,255}\b | \bgithub_pat_\w{20,255}\b
    | \b[sr]k_(?:live|test)_[0-9A-Za-z]{10,255}\b | \bwhsec_[\w+/=]{10,255}           # payments, webhooks
    | \bxox[abeoprs]-[\w-]{10,255}                                                     # chat
    | (?<=\bBearer[ ])[\w.~+/=-]{12,4096}""",
    re.X | re.S,
)
PERHAPS = re.compile(r"eyJ|-----BEGIN|A(?:KIA|SIA)|gh[pousr]_|github_pat_|k_(?:live|test)_|whsec_|xox|Bearer ")
"""No shape without one of these: most messages are read once, not six times."""
USER_IN_URL = re.compile(r"(?<=://)[^\s/@'\"<>]{1,500}(?=@)")
QUOTED = re.compile(r"""(?<![\w.-])([\w.-]{1,80})(=|['"]:[ ]?)(['"])((?:(?!\3).){1,4096})\3""")
BARE = re.compile(r"""(?<![\w.-])([\w.-]{1,80})(=)([^\s&'"`,;<>()\[]{1,4096})""")
CARD = re.compile(r"(?<![\w.-])(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|6011|65\d\d|3[47]\d\d)(?:[ -]?\d){9,15}(?![\w-])")


def redact_shapes(text: str, *, source: bool = False) -> str:
    """Without keys and tokens known by their form, passwords in addresses, and values under names of secrets.

    In lines of source code, only what is quoted there is a value.
    """
    return without_shapes(text, source, tuple(settings.PORTAL_REDACT))


@lru_cache(maxsize=128)
def without_shapes(text: str, source: bool, words: tuple[str, ...]) -> str:
    def quoted(match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{match[3]}{MASK}{match[3]}" if names_secret(match[1], words) else match[0]

    def bare(match: re.Match[str]) -> str:
        return f"{match[1]}={MASK}" if names_secret(match[1], words) else match[0]

    text = SHAPES.sub(MASK, text) if PERHAPS.search(text) else text
    if "=" in text or "':" in text or '":' in text:
        text = QUOTED.sub(quoted, text)
        text = text if source else BARE.sub(bare, text)
    return USER_IN_URL.sub(MASK, text) if "@" in text else text


def redact_cards(text: str) -> str:
    """Without numbers that are those of payment cards; apart, as one long number in ten passes for one."""
    return CARD.sub(lambda match: MASK if is_card(match[0]) else match[0], text)


def is_card(text: str) -> bool:
    """Luhn's check digit."""
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    doubled = (digit * 2 if n % 2 else digit for n, digit in enumerate(digits))
    return 13 <= len(digits) <= 19 and sum(digit // 10 + digit % 10 for digit in doubled) % 10 == 0
