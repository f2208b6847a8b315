"""Settings that are unsafe: keys that can be guessed, and hosts that are any host."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from django.core.exceptions import ImproperlyConfigured

SHORTEST = 50  # characters, as Django asks for
FEWEST_CHARACTERS = 10
SAMPLES = ("insecure", "changeme", "change-me", "change_me", "secret", "password", "example", "your-key")
ROWS = (string.ascii_lowercase, "1234567890", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm")
NEIGHBOURS = {pair for row in ROWS for ordered in (row, row[::-1]) for pair in pairwise(ordered)}


def refuse_unsafe(secret_key: str, allowed_hosts: Iterable[str]) -> None:
    """`ImproperlyConfigured`, unless they are safe on a network; every process asks at its start."""
    if why := weakness(secret_key):
        raise ImproperlyConfigured(
            f"SECRET_KEY is too weak: {why}. Set 50 random characters, or none to have one made."
        )
    if entries := too_wide_hosts(allowed_hosts):
        raise ImproperlyConfigured(
            f"ALLOWED_HOSTS must name the portal's hosts; {entries[0]!r} is refused unless DEBUG is on."
        )


def refuse_senseless_limits(settings: Mapping[str, Any]) -> None:
    """`ImproperlyConfigured` for limits that would let nobody in, or that no header can say."""
    if not 1 <= settings["PORTAL_SIGN_IN_TRIES"] <= 1_000_000:
        raise ImproperlyConfigured("PORTAL_SIGN_IN_TRIES must be between 1 and 1000000.")
    if not 0.1 <= settings["PORTAL_COOL_OFF_MINUTES"] <= 1440:
        raise ImproperlyConfigured("PORTAL_COOL_OFF_MINUTES must be between 0.1 and 1440.")
    for name in ("PORTAL_ARCHIVE_AFTER_DAYS", "PORTAL_DELETE_AFTER_DAYS", "PORTAL_FORGET_DELETED_AFTER_DAYS"):
        if not 0 <= settings[name] <= 36_500:
            raise ImproperlyConfigured(f"{name} must be between 0, for never, and 36500.")
    if not 0 <= settings["PORTAL_PROXIES"] <= 10:
        raise ImproperlyConfigured("PORTAL_PROXIES must be between 0 and 10.")
    for name in ("PORTAL_RATE_PER_CALLER", "PORTAL_RATE_PER_ADDRESS"):
        if not 0 <= settings[name] <= 10**12:
            raise ImproperlyConfigured(f"{name} must be between 0, for no limit, and 1000000000000.")


def weakness(key: str) -> str:
    """Why nobody should rely on that key; empty for one that looks random."""
    if len(key) < SHORTEST:
        return f"it has fewer than {SHORTEST} characters"
    if len(set(key)) < FEWEST_CHARACTERS:
        return f"it has fewer than {FEWEST_CHARACTERS} different characters"
    sample = next((word for word in SAMPLES if word in key.lower()), "")
    if sample:
        return f"it holds {sample!r}, as keys of samples do"
    return "it follows a pattern" if is_patterned(key) else ""


def is_patterned(key: str) -> bool:
    """Whether pieces come again, or most characters follow the one before, in an alphabet or on a keyboard."""
    pieces = [key[start : start + 4] for start in range(len(key) - 3)]
    pairs = list(pairwise(key.lower()))
    following = sum(first == second or (first, second) in NEIGHBOURS for first, second in pairs)
    return len(set(pieces)) < 0.75 * len(pieces) or following > len(pairs) / 2


def too_wide_hosts(allowed: Iterable[str]) -> list[str]:
    """The entries of `ALLOWED_HOSTS` that name no host: `*`, `.`, `*.example.com`, an empty one."""
    return [entry for entry in allowed if "*" in entry or not entry.strip(". ")]
