"""Values of an item's payload in the message of its failure: what they are, and where they stand."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any

from errors.grouping.message_patterns import QUOTES, UNPRINTABLE
from errors.grouping.pieces import Pieces

MAX_MESSAGE = 512
"""Characters of a message that its template is made of, and of a payload's value that are looked for in it."""
MAX_DEPTH = 3
BRACKETS = {"(": ")", "[": "]"}


def scalars_of(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(field path, text) of every value down to the third level; no text for what is neither text nor number."""
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        for name, inner in value.items():
            clean = UNPRINTABLE.sub("", str(name)[:80])
            yield from scalars_of(inner, f"{path}.{clean}" if path else clean, depth + 1)
    elif isinstance(value, (list, tuple)) and depth < MAX_DEPTH:
        for inner in value:
            yield from scalars_of(inner, path, depth + 1)
    elif isinstance(value, str):
        yield path, unicodedata.normalize("NFC", value[:MAX_MESSAGE]).strip()
    else:
        yield path, "" if isinstance(value, (bool, NoneType)) else str(value)[:MAX_MESSAGE]


def hide_values(text: str, scalars: list[tuple[str, str]], names: set[str], pieces: Pieces) -> str:
    """The longest values first; weak ones (short lower-case words) only as a whole quotation, in brackets of their own,
    after `=`, or at the end of what a colon begins."""
    for path, value in sorted(scalars, key=lambda scalar: -len(scalar[1])):
        if value and value in text:
            weak = not is_strong(value)
            if not (weak and value in names):
                text = hide_value(text, path, value, weak, pieces)
    return text


def is_strong(value: str) -> bool:
    """Whether a value is unlikely to stand in a message by chance."""
    return len(value) >= 12 or any(c.isdigit() or c.isupper() or c == "@" or ord(c) > 127 for c in value)


def generic(value: str) -> str:
    """What a value of the payload is in the key."""
    if re.fullmatch(r"[-+]?\d+(?:\.\d+)?(?:e[+-]?\d+)?", value, re.I):
        return "<num>"
    return "<id>" if any(c.isdigit() for c in value) and " " not in value else "<str>"


def hide_value(text: str, path: str, value: str, weak: bool, pieces: Pieces) -> str:
    """Replace a value where it is a whole token, as the token and number rules would see one."""
    at = text.find(value)
    while at >= 0:
        end = at + len(value)
        if stands_alone(text, at, end) and (not weak or stands_weakly(text, at, end)):
            mark = pieces.take(value, f"<{path}>", generic(value), payload=True)
            text, end = text[:at] + mark + text[end:], at + 1
        at = text.find(value, end)
    return text


def stands_alone(text: str, at: int, end: int) -> bool:
    before, after = text[max(0, at - 2) : at], text[end : end + 2]
    if joined(before[-1:]) or joined(after[:1]) or before.endswith("-") or after[:1] == "%":
        return False
    if len(after) == 2 and joined(after[1]) and (after[0] in "-." or (after[0] in ",:/" and after[1].isdigit())):
        return False
    return not (
        len(before) == 2 and joined(before[0]) and (before[1] == "." or (before[1] in ",:/" and before[0].isdigit()))
    )


def joined(character: str) -> bool:
    return character.isalnum() or character == "_"


def stands_weakly(text: str, at: int, end: int) -> bool:
    before, after = text[max(0, at - 2) : at], text[end : end + 1]
    if before[-1:] in BRACKETS:
        return BRACKETS[before[-1:]] == after
    if before == ": ":
        return after in ("", ".", ",", ";", ")")
    return before[-1:] == "=" or (after != "" and after in QUOTES.get(before[-1:], ""))
