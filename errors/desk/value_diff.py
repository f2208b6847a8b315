"""A value before and after as text, cut into what both share and what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

AROUND, LONGEST = 40, 400
"""Characters that are kept of what both share, and of what differs."""


class Parts(NamedTuple):
    """One of the two values; `different` is what the other does not have in its place."""

    before: str
    different: str
    after: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a corrected row; None for a value that is not there."""

    field: str
    old: Parts | None
    new: Parts | None
    note: str


def field_change(change: Mapping[str, Any], *, is_text_only: bool) -> FieldChange:
    """`is_text_only`: the batch came from a file in which every value is text, so nothing else could be meant."""
    old = text_of(change["old"], is_text_only) if "old" in change else None
    new = text_of(change["new"], is_text_only) if "new" in change else None
    head, tail = (0, 0) if old is None or new is None else shared_ends(old, new)
    is_hidden = old is not None and old == new
    return FieldChange(
        field=change["field"],
        old=None if old is None else parts(old, head, tail),
        new=None if new is None else parts(new, head, tail),
        note="the value is hidden, and differs" if is_hidden else change["note"],
    )


def text_of(value: Any, is_text_only: bool) -> str:
    """Text as it is, where it could not be taken for anything else; other values as JSON."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    is_plain = value and value == value.strip() and value.isprintable() and (is_text_only or not looks_like_json(value))
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def looks_like_json(text: str) -> bool:
    return text in ("true", "false", "null") or text[0] in '"[{-0123456789'


def shared_ends(old: str, new: str) -> tuple[int, int]:
    """How many characters both begin and end with."""
    most = min(len(old), len(new))
    head = next((n for n in range(most) if old[n] != new[n]), most)
    tail = next((n for n in range(most - head) if old[-1 - n] != new[-1 - n]), most - head)
    return head, tail


def parts(text: str, head: int, tail: int) -> Parts:
    """Cut behind `head` and before the last `tail` characters, each part no longer than a person reads."""
    end = len(text) - tail
    before, different, after = text[:head], text[head:end], text[end:]
    before = f"…{before[-AROUND:]}" if len(before) > AROUND else before
    after = f"{after[:AROUND]}…" if len(after) > AROUND else after
    if len(different) > LONGEST:
        different = f"{different[:LONGEST]}… ({len(different):,} characters)"
    return Parts(before, different, after)
