"""Template of a message, version fp1: the message with what varies from item to item taken out.

Every piece taken out becomes one private-use character, so that no later rule can match it again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from types import NoneType
from typing import Any, NamedTuple

LONGEST = 512
READ = 8 * 1024  # characters looked at before lines are chosen
DEEPEST = 3
SCALARS = 1_000
MARK = "\ue000-\uf8ff"
QUOTES = {"'": "'", '"': '"', "`": "`", "“": "”", "‘": "’", "«": "»"}

UNPRINTABLE = re.compile(rf"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[{MARK}]")
CODES = re.compile(
    r"""\[Errno\ -?\d+\] | \bHTTP(?:/\d(?:\.\d)?)?\ \d{3}\b | \bstatus(?:\ code)?:?\ \d{3}\b
    | \b\d{3}\ (?:Client|Server)\ Error | \bSQLSTATE[\ \[]+[0-9A-Z]{5}\b\]? | \bORA-\d{5}\b
    | \bexit\ (?:code|status)\ \d+\b | \berror\ code\ \d+\b | \bsignal\ \d+\b | \A\(\d{4},
    | \bbase\ 10\b | '?\butf-8\b'? """,
    re.I | re.X,
)
EDGE = rf"(?![\w{MARK}-])"
TYPED = (
    ("<url>", re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\"`<>(){}\[\]|]*[^\s'\"`<>(){}\[\]|.,;:!?]", re.I)),
    ("<email>", re.compile(rf"[\w.+%{MARK}-]{{1,64}}@[\w{MARK}-]{{1,63}}(?:\.[\w{MARK}-]{{1,63}})+")),
    ("<uuid>", re.compile(rf"(?<![\w-])[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}{EDGE}", re.I)),
    (
        "<ip>",
        re.compile(
            r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w-]|\.\w)"
            r"|(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?![\w:])"
            r"|(?<![\w:])(?=[0-9a-f:]{0,39}\d)(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?::"
            r"(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,5})?(?![\w:])",
            re.I,
        ),
    ),
    (
        "<date>",
        re.compile(
            r"(?<![\w.-])(?:\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{1,2}/\d{1,2}/\d{4})"
            r"(?:(?:T|,?\ )\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\ ?(?:Z|UTC|GMT)|\ ?[+-]\d\d:?\d\d)?)?(?![\w-]|\.\d)"
            r"|(?<![\w-])\d{8}T\d{6}Z?(?![\w-])"
        ),
    ),
    ("<time>", re.compile(r"(?<![\w:.-])\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\ ?[ap]m\b)?(?![\w:-])", re.I)),
    (
        "<hex>",
        re.compile(rf"(?<![\w-])(?:0x[0-9a-f]+|(?=[0-9a-f]{{0,512}}\d)(?=\d*[a-f])[0-9a-f]{{8,}}){EDGE}(?!\.\w)", re.I),
    ),
    (
        "<path>",
        re.compile(
            rf"(?<![\w/.<{MARK}])(?:~|\.{{1,2}})?(?:/[\w.@%+~{MARK}-]+)+/?(?<![.,])"
            rf"|(?<!\w)(?:[a-z]:\\|\\\\)[\w.@%+~\\ {MARK}-]*[\w@%+~\\{MARK}]",
            re.I,
        ),
    ),
)
UNIT = "(?:[nuµm]?s|min|sec|secs|h|[kmgt]i?b|b|%)"
NUMBER = re.compile(
    rf"(?<![\w.])(?<![\w{MARK}]-)[-+]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?"
    rf"(?:{UNIT}(?!\w)|(?![\w]))(?!-\w)(?!\.\w)",
    re.I,
)
TOKEN = re.compile(r"\w+(?:[-.]\w+)*")
QUOTED = re.compile("|".join(rf"(?<!\w){a}((?:[^{a}{z}]|(?<=\w)[{z}](?=\w))*){z}(?!\w)" for a, z in QUOTES.items()))
TITLE, KEY, WAS = 0, 1, 2
"""The forms of a piece."""
MARKS = re.compile(rf"[{MARK} ]+")
SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)*")


@dataclass(frozen=True, slots=True)
class Template:
    """`title` is for people and names the payload's fields; only `key` is hashed."""

    title: str
    key: str


class Segment(NamedTuple):
    """A stretch of a message; `kind` is what the template has in its place, empty where it has the same."""

    text: str
    kind: str


@dataclass(slots=True)
class Pieces:
    """What was taken out: one private-use character each, with its title, its key and what stood there."""

    texts: list[tuple[str, str, str]] = field(default_factory=list)
    from_payload: set[str] = field(default_factory=set)

    def take(self, was: str, title: str, key: str = "", *, payload: bool = False) -> str:
        mark = chr(0xE000 + len(self.texts))
        self.texts.append((title, key or title, was))
        if payload:
            self.from_payload.add(mark)
        return mark

    def hide(self, pattern: re.Pattern[str], text: str, kind: str = "") -> str:
        """Take out every match; without a kind it stays readable, and only out of the later rules' reach."""
        return pattern.sub(lambda found: self.take(found[0], kind or found[0]), text)

    def put_back(self, text: str, form: int) -> str:
        return re.sub(f"[{MARK}]", lambda found: self.texts[ord(found[0]) - 0xE000][form], text)

    def segment(self, part: str) -> Segment:
        """A mark, or a text between marks."""
        if not re.fullmatch(f"[{MARK}]", part):
            return Segment(part, "")
        title, was = self.texts[ord(part) - 0xE000][TITLE], self.original(part)
        return Segment(was, "" if title == was else title)

    def original(self, text: str) -> str:
        """What stood there; pieces may have been taken out of pieces."""
        while re.search(f"[{MARK}]", text):
            text = self.put_back(text, WAS)
        return text


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
    scalars = list(islice(scalars_of(payload), SCALARS))
    names = {*known_fields, *(name for path, _ in scalars for name in (path, path.rpartition(".")[2]))}
    text = pieces.hide(CODES, first_lines(message))
    return hide_values(text, scalars, names, pieces), frozenset(names), pieces


def without_the_rest(text: str, names: frozenset[str], pieces: Pieces) -> str:
    for kind, pattern in TYPED:
        text = pieces.hide(pattern, text, kind)
    text = hide_quoted(text, names, pieces)
    text = pieces.hide(NUMBER, text, "<num>")
    return TOKEN.sub(
        lambda found: pieces.take(found[0], "<id>") if any(c.isdigit() for c in found[0]) else found[0], text
    )


def first_lines(message: str) -> str:
    """The first two lines that hold anything, as one, cut to a length that no pattern minds."""
    plain = UNPRINTABLE.sub("", unicodedata.normalize("NFC", message[:READ]))
    lines = list(islice((line.strip() for line in plain.splitlines() if line.strip()), 3))
    return " ⏎ ".join(lines[:2])[:LONGEST] + (" …" if len(lines) > 2 else "")


# -- values of the payload ---------------------------------------------------------------------------------------------


def scalars_of(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(field path, text) of every value down to the third level; no text for what is neither text nor number."""
    if isinstance(value, Mapping) and depth < DEEPEST:
        for name, inner in value.items():
            clean = UNPRINTABLE.sub("", str(name)[:80])
            yield from scalars_of(inner, f"{path}.{clean}" if path else clean, depth + 1)
    elif isinstance(value, (list, tuple)) and depth < DEEPEST:
        for inner in value:
            yield from scalars_of(inner, path, depth + 1)
    elif isinstance(value, str):
        yield path, unicodedata.normalize("NFC", value[:LONGEST]).strip()
    else:
        yield path, "" if isinstance(value, (bool, NoneType)) else str(value)[:LONGEST]


def hide_values(text: str, scalars: list[tuple[str, str]], names: set[str], pieces: Pieces) -> str:
    """The longest values first; weak ones (short lower-case words) only as a whole quotation or after `=`."""
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
    before, after = text[at - 1 : at], text[end : end + 1]
    return before == "=" or (before in QUOTES and QUOTES[before] == after)


# -- quotations --------------------------------------------------------------------------------------------------------


def hide_quoted(text: str, names: Collection[str], pieces: Pieces) -> str:
    """Sentences are looked into; names of fields stay; a quoted value is `<str>`, from the payload or not."""

    def hide(found: re.Match[str]) -> str:
        opening, content, closing = found[0][0], found[0][1:-1], found[0][-1]
        if MARKS.fullmatch(content):
            content = quoted_marks(content, pieces)
        elif len(content.split()) >= 3:
            content = QUOTED.sub(hide, content)
        else:
            content = pieces.take(content, content if content in names or SNAKE.fullmatch(content) else "<str>")
        return opening + content + closing

    return QUOTED.sub(hide, text)


def quoted_marks(content: str, pieces: Pieces) -> str:
    """A quotation of nothing but pieces: in the key, one from the payload is as good as any quoted value."""
    if pieces.from_payload.isdisjoint(content):
        return content
    return pieces.take(content, pieces.put_back(content, TITLE), "<str>")
