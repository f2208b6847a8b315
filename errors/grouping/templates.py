"""Template of a message, version fp1: the message with what varies from item to item taken out.

Every piece taken out becomes one private-use character, so that no later rule can match it again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from errors.grouping.message_patterns import (
    CJK_NUMBER,
    CODES,
    DETAIL_VALUES,
    MARK,
    MARKS,
    NAMES_A_PLACE,
    NUMBER,
    PLACEHOLDER,
    PLACEHOLDER_KINDS,
    QUOTED,
    QUOTES_OF_PROSE,
    SNAKE,
    TOKEN,
    TYPED,
    UNPRINTABLE,
)
from errors.grouping.payload_values import MAX_MESSAGE, hide_values, scalars_of
from errors.grouping.pieces import KEY, TITLE, Pieces, Segment

MAX_READ = 8 * 1024
"""Characters of a message that are read before its lines are chosen."""
MAX_SCALARS = 1_000
"""Values of a payload that are looked for in a message."""


@dataclass(frozen=True, slots=True)
class Template:
    """`title` is for people and names the payload's fields; only `key` is hashed."""

    title: str
    key: str


def template(message: str, payload: Any = None, known_fields: Collection[str] = ()) -> Template:
    """Version fp1. `known_fields` are names that stay readable in quotes, beside those of the payload."""
    text, names, pieces = without_values(message, payload, known_fields)
    marks = tuple((title, key) for title, key, _ in pieces.texts)
    return generalized(text, marks, frozenset(pieces.from_payload), names)


@lru_cache(maxsize=1024)
def generalized(
    text: str, marks: tuple[tuple[str, str], ...], from_payload: frozenset[str], names: frozenset[str]
) -> Template:
    """The rest of the way; without the payload's values, the messages of one kind of failure are mostly the same."""
    pieces = Pieces([(title, key, "") for title, key in marks], set(from_payload))
    text = without_the_rest(text, names, pieces)
    return Template(pieces.put_back(text, TITLE), pieces.put_back(text.replace('"', "'"), KEY))


def segments(message: str, payload: Any = None, known_fields: Collection[str] = ()) -> list[Segment]:
    """The first lines of a message, cut where its template differs from it."""
    text, pieces = taken_apart(message, payload, known_fields)
    parts = [pieces.segment(part) for part in re.split(f"([{MARK}])", text) if part]
    joined_parts: list[Segment] = []
    for part in parts:
        if joined_parts and not part.kind and not joined_parts[-1].kind:
            joined_parts[-1] = Segment(joined_parts[-1].text + part.text, "")
        else:
            joined_parts.append(part)
    return joined_parts


def taken_apart(message: str, payload: Any, known_fields: Collection[str]) -> tuple[str, Pieces]:
    """The text with a mark for every piece, and the pieces."""
    text, names, pieces = without_values(message, payload, known_fields)
    return without_the_rest(text, names, pieces), pieces


def without_values(message: str, payload: Any, known_fields: Collection[str]) -> tuple[str, frozenset[str], Pieces]:
    """Without codes and the payload's values; beside it, the names that stay readable."""
    pieces = Pieces()
    scalars = list(islice(scalars_of(payload), MAX_SCALARS))
    names = {*known_fields, *(name for path, _ in scalars for name in (path, path.rpartition(".")[2]))}
    text = hide_details(pieces.hide(CODES, first_lines(message)), pieces)
    return hide_values(text, scalars, names, pieces), frozenset(names), pieces


def without_the_rest(text: str, names: frozenset[str], pieces: Pieces) -> str:
    for kind, pattern in TYPED:
        text = pieces.hide(pattern, text, kind)
    text = hide_quoted(text, names, pieces)
    if not text.isascii():
        text = pieces.hide(CJK_NUMBER, text, "<num>")
    text = pieces.hide(NUMBER, text, "<num>")
    return TOKEN.sub(
        lambda match: pieces.take(match[0], "<id>") if any(c.isdigit() for c in match[0]) else match[0], text
    )


def first_lines(message: str) -> str:
    """The first two lines that hold anything, as one, cut to a length that no pattern minds."""
    plain = UNPRINTABLE.sub("", unicodedata.normalize("NFC", message[:MAX_READ]))
    lines = list(islice((line.strip() for line in plain.splitlines() if line.strip()), 3))
    return " ⏎ ".join(lines[:2])[:MAX_MESSAGE] + (" …" if len(lines) > 2 else "")


def hide_details(text: str, pieces: Pieces) -> str:
    """The row that a database adds in a second line is `<str>`; the columns of its key stay."""

    def hide(match: re.Match[str]) -> str:
        kept = f"{match['words']}{match['columns'] or ' '}"
        return f"{kept}({pieces.take(match[0][len(kept) + 1 : -1], '<str>')})"

    return DETAIL_VALUES.sub(hide, text) if "⏎" in text else text


def hide_quoted(text: str, names: Collection[str], pieces: Pieces) -> str:
    """Sentences are looked into; names of fields stay; a quoted value is `<str>`, from the payload or not."""

    def hide(match: re.Match[str]) -> str:
        opening, content, closing = match[0][0], match[0][1:-1], match[0][-1]
        if MARKS.fullmatch(content):
            content = quoted_marks(content, pieces)
        elif len(content.split()) >= 3:
            content = QUOTED.sub(hide, content)
        else:
            content = pieces.take(content, content if content in names or names_a_field(match) else "<str>")
        return opening + content + closing

    return QUOTED.sub(hide, text)


def names_a_field(quotation: re.Match[str]) -> bool:
    """Whether a quoted word is more likely a name of the code's own than a value."""
    if quotation[0][0] in QUOTES_OF_PROSE and not NAMES_A_PLACE.search(quotation.string[: quotation.start()]):
        return False
    return SNAKE.fullmatch(quotation[0][1:-1]) is not None


def quoted_marks(content: str, pieces: Pieces) -> str:
    """A quotation of nothing but pieces: in the key, one from the payload is as good as any quoted value."""
    if pieces.from_payload.isdisjoint(content):
        return content
    return pieces.take(content, pieces.put_back(content, TITLE), "<str>")


def fields_named(title: str) -> list[str]:
    """The payload's fields that a template names."""
    return [name for name in PLACEHOLDER.findall(title) if name not in PLACEHOLDER_KINDS]
