"""Values that must not be shown: masked wherever a text enters the tables, and wherever a payload or a parameter leaves
the portal."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from batches.known_secrets import known_secrets
from batches.masked_names import MASK, is_secret, may_name_secret, names_secret, secret_words
from batches.secret_shapes import may_name, named_values, redact_cards, redact_shapes

__all__ = [
    "MASK",
    "SharedSources",
    "forms_in",
    "forms_in_payload",
    "is_secret",
    "names_secret",
    "redact",
    "redact_cards",
    "redact_recurring",
    "redact_result",
    "redact_shapes",
    "redact_text",
    "redact_values",
    "replaced",
    "sources_at_hand",
    "take_in_hand",
]

DEEPEST = 100
SHORTEST_SECRET = 3
"""Characters: one or two can be guessed whether they are masked or not, and stand in every message by chance."""
SHORTEST_WITHIN_WORDS = 4
"""Shorter ones are masked where they stand alone, not within a word or a number."""


def redact(value: Any, depth: int = 0) -> Any:
    """The value with everything under a secret key masked, at any depth, and what looks like a secret in its texts."""
    if depth > DEEPEST:
        return MASK
    if isinstance(value, Mapping):
        return {key: MASK if is_secret(key) else redact(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(inner, depth + 1) for inner in value]
    return redact_shapes(value) if isinstance(value, str) else value


def redact_text(text: str, *sources: Any) -> str:
    """A text without the secrets of this process and of the sources (payload, parameters), and what looks like one."""
    return redact_cards(redact_shapes(redact_values(text, *sources)))


def redact_values(text: str, *sources: Any) -> str:
    """Without what this process knows to be secret, and what stands under secret keys in these."""
    return replaced(text, forms_in(*sources))


def redact_recurring(text: str, secrets: Sequence[str], *, source: bool = False) -> str:
    """A text that many failures share (a stack, the name of a class) without these secrets and what looks like one.

    It is worked out once, unless an item's own secrets are among them, which are kept nowhere.
    """
    if not isinstance(secrets, ProcessForms):
        return redact_shapes(replaced(text, secrets), source=source)
    return redacted_for_process(text, secrets, source, secret_words())


@lru_cache(maxsize=64)
def redacted_for_process(text: str, secrets: ProcessForms, source: bool, words: tuple[str, ...]) -> str:
    """`words` are those by which names of secrets are told: other ones, another text."""
    return redact_shapes(replaced(text, secrets), source=source)


def redact_result(result: Any, secrets: Sequence[str], depth: int = 0) -> Any:
    """A processor's result without these secrets, in texts and as numbers."""
    if depth > DEEPEST:
        return MASK
    if isinstance(result, Mapping):
        return {replaced(str(key), secrets): redact_result(inner, secrets, depth + 1) for key, inner in result.items()}
    if isinstance(result, (list, tuple)):
        return [redact_result(inner, secrets, depth + 1) for inner in result]
    if isinstance(result, str):
        return replaced(result, secrets)
    return MASK if type(result) in (int, float) and str(result) in secrets else result


# -- what is worked on ------------------------------------------------------------------------------------------------

_at_hand: ContextVar[tuple[str, tuple[Any, ...]]] = ContextVar("at_hand", default=("null", ()))


def take_in_hand(payload_json: str, params: tuple[Any, ...]) -> None:
    """From now on this thread or coroutine works on that item: its secrets stay out of the log."""
    _at_hand.set((payload_json, params))


def sources_at_hand() -> tuple[Any, ...]:
    """The payload and parameters of the item that this thread or coroutine works on, or worked on last."""
    payload_json, params = _at_hand.get()
    return json.loads(payload_json), *params


# -- the secrets of a source -------------------------------------------------------------------------------------------


def secrets_in(value: Any, words: tuple[str, ...], depth: int = 0) -> Iterator[str]:
    """The texts that stand under secret keys, or after names of secrets in a text such as a request's headers."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if names_secret(str(key), words):
                yield from texts_in(inner)
            elif not is_plain(inner) and depth < DEEPEST:
                yield from secrets_in(inner, words, depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            if not is_plain(inner) and depth < DEEPEST:
                yield from secrets_in(inner, words, depth + 1)
    elif isinstance(value, str):
        yield from named_values(value, words)
    elif isinstance(value, Mapping):
        yield from secrets_in(dict(value), words, depth)


class SharedSources(tuple[Any, ...]):
    """What many items have in common, as the parameters of a slice: looked through once, and changed by nobody."""

    looked_through: tuple[tuple[str, ...], frozenset[str]] | None = None

    def secrets(self, words: tuple[str, ...]) -> frozenset[str]:
        """What `secrets_in` finds in them."""
        if self.looked_through is None or self.looked_through[0] != words:
            self.looked_through = (words, frozenset(secrets_in(tuple(self), words)))
        return self.looked_through[1]


def secrets_of(source: Any, words: tuple[str, ...]) -> Iterable[str]:
    return source.secrets(words) if isinstance(source, SharedSources) else secrets_in(source, words)


def is_plain(value: Any) -> bool:
    """Whether no secret can stand in it, as in most values of a payload."""
    return value is None or isinstance(value, (int, float)) or (isinstance(value, str) and not may_name(value))


def texts_in(value: Any) -> Iterator[str]:
    """Texts and numbers; yes, no and nothing are no secrets."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts_in(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


# -- the forms of a secret ---------------------------------------------------------------------------------------------


def forms_in(*sources: Any) -> Sequence[str]:
    """What this process knows to be secret and what stands under secret keys in these, in every form in which a text
    may have it, the longest first."""
    words = secret_words()
    secrets = {secret for source in sources if source for secret in secrets_of(source, words)}
    of_process = process_forms(known_secrets())
    if not secrets:
        return of_process
    return longest_first({form for secret in secrets for form in forms_of(secret)}.union(of_process))


def forms_in_payload(payload_json: str, params: SharedSources) -> Sequence[str]:
    """`forms_in` an item's payload and its parameters. Every item pays for the look, so a payload is read only where
    the name of a secret may stand in it, and in most none does."""
    if may_name_secret(payload_json, secret_words()):
        return forms_in(json.loads(payload_json), params)
    return forms_in(params)


class ProcessForms(tuple[str, ...]):
    """The forms of what this process knows to be secret, and of nothing else."""

    __slots__ = ()


@lru_cache(maxsize=8)
def process_forms(secrets: frozenset[str]) -> ProcessForms:
    return ProcessForms(longest_first({form for secret in secrets for form in forms_of(secret)}))


def longest_first(forms: set[str]) -> tuple[str, ...]:
    return tuple(sorted(forms, key=len, reverse=True))


def forms_of(secret: str) -> set[str]:
    """As it stands in a text: plain, in a repr, in JSON, in HTML, in an address, in hexadecimal, and within base64."""
    if len(secret) < SHORTEST_SECRET or secret == MASK:
        return set()
    forms = {secret, secret.strip(), repr(secret)[1:-1], json.dumps(secret)[1:-1], html.escape(secret)}
    data = secret.encode("utf-8", "surrogatepass")
    forms |= {quote(secret, safe=safe, errors="replace") for safe in ("", "/")}
    forms |= {quote_plus(secret, errors="replace"), data.hex()}
    forms.update(in_base64(data))
    return {form for form in forms if len(form) >= SHORTEST_SECRET}


def in_base64(data: bytes) -> Iterator[str]:
    """What base64 makes of it, wherever in a longer text it begins; without the characters that hold its neighbours."""
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            core = encode(b"\0" * before + data).decode().rstrip("=")
            core = core[(0, 2, 3)[before] : len(core) - (1 if (before + len(data)) % 3 else 0)]
            if len(core) >= SHORTEST_WITHIN_WORDS:
                yield core


def replaced(text: str, secrets: Sequence[str]) -> str:
    """Without these; of one that was cut off at the end of the text its beginning goes, too."""
    for secret in secrets:
        if len(secret) < SHORTEST_WITHIN_WORDS:
            if secret in text:
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
            continue
        text = without_beginning(text.replace(secret, MASK), secret)
    return text


def without_beginning(text: str, secret: str) -> str:
    """The text, masked at its end where that is the beginning of the secret."""
    least = secret[:SHORTEST_WITHIN_WORDS]
    at = text.find(least, max(0, len(text) - len(secret) + 1))
    while at >= 0:
        if secret.startswith(text[at:]):
            return text[:at] + MASK
        at = text.find(least, at + 1)
    return text
