"""Pieces taken out of a message, each with a private-use character in its place that no pattern matches."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from errors.grouping.message_patterns import MARK

TITLE, KEY, ORIGINAL = 0, 1, 2
"""The forms of a piece."""


class Segment(NamedTuple):
    """A stretch of a message; `kind` is what the template has in its place, empty where it has the same."""

    text: str
    kind: str


@dataclass(slots=True)
class Pieces:
    """The pieces of one message, each with its title, its key and its original text."""

    texts: list[tuple[str, str, str]] = field(default_factory=list)
    from_payload: set[str] = field(default_factory=set)

    def take(self, original: str, title: str, key: str = "", *, payload: bool = False) -> str:
        mark = chr(0xE000 + len(self.texts))
        self.texts.append((title, key or title, original))
        if payload:
            self.from_payload.add(mark)
        return mark

    def hide(self, pattern: re.Pattern[str], text: str, kind: str = "") -> str:
        """Take out every match; without a kind it stays readable, and only out of the later rules' reach."""
        return pattern.sub(lambda match: self.take(match[0], kind or match[0]), text)

    def put_back(self, text: str, form: int) -> str:
        return re.sub(f"[{MARK}]", lambda match: self.texts[ord(match[0]) - 0xE000][form], text)

    def segment(self, part: str) -> Segment:
        """A mark, or a text between marks."""
        if not re.fullmatch(f"[{MARK}]", part):
            return Segment(part, "")
        title, original = self.texts[ord(part) - 0xE000][TITLE], self.original(part)
        return Segment(original, "" if title == original else title)

    def original(self, text: str) -> str:
        """What stood there; pieces may have been taken out of pieces."""
        while re.search(f"[{MARK}]", text):
            text = self.put_back(text, ORIGINAL)
        return text
