"""Messages and payloads with what the template matched marked in both."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from errors.grouping.message_patterns import PLACEHOLDER, PLACEHOLDER_KINDS
from errors.grouping.payload_values import MAX_DEPTH, scalars_of
from errors.grouping.templates import segments

MOST_LINES = 400
LONGEST_LINE = 4_000


class Part(NamedTuple):
    """A stretch of text; `field` is the payload's field it speaks of, `kind` what it is when it is in none."""

    text: str
    field: str = ""
    kind: str = ""

    @property
    def markup(self) -> SafeString:
        if self.field:
            return format_html(
                '<mark class="bp-field-mark" title="from the payload: {}">{}</mark>', self.field, self.text
            )
        if self.kind:
            return format_html('<span class="bp-chip" title="varies: {}">{}</span>', self.kind, self.text)
        return format_html("{}", self.text)


def markup_of(parts: Iterable[Part]) -> SafeString:
    return format_html_join("", "{}", ((part.markup,) for part in parts))


class Line(NamedTuple):
    """A line of a pretty-printed payload."""

    indent: str
    text: str
    marked: bool

    @property
    def markup(self) -> SafeString:
        return format_html("{}<mark>{}</mark>" if self.marked else "{}{}", self.indent, self.text)


def fields_in(payload: Any) -> frozenset[str]:
    """Every field path of a payload, as templates write them."""
    return frozenset(path for path, _ in scalars_of(payload) if path)


def title_parts(title: str, fields: Collection[str]) -> list[Part]:
    """A group's title with its placeholders apart; what only looks like one stays text."""
    parts, at = [], 0
    for match in PLACEHOLDER.finditer(title):
        name = match[1]
        if name in PLACEHOLDER_KINDS or name in fields:
            parts += [Part(title[at : match.start()])] if match.start() > at else []
            parts.append(Part(name, field=name) if name in fields else Part(name, kind=name))
            at = match.end()
    return [*parts, Part(title[at:])] if at < len(title) or not parts else parts


def message_parts(message: str, payload: Any, columns: Collection[str] = ()) -> list[Part]:
    """The first lines of a message as it was, what varies from item to item marked."""
    fields = fields_in(payload)
    parts = []
    for text, kind in segments(message, payload, columns):
        names = [name for name in PLACEHOLDER.findall(kind) if name in fields]
        parts.append(Part(text, field=names[0] if names else "", kind="" if names else kind.strip("<>")))
    return parts


def spoken_of(parts: Collection[Part], named: Collection[str]) -> frozenset[str]:
    """The fields that a message speaks of, and those that the processor named."""
    return frozenset(part.field for part in parts if part.field).union(named)


def payload_lines(payload: Any, marked: Collection[str]) -> tuple[list[Line], bool]:
    """A payload as indented JSON, line by line; whether it was cut."""
    lines: list[Line] = []
    for text, path in written(payload):
        if len(lines) == MOST_LINES:
            return lines, True
        bare = text.lstrip(" ")
        cut = f"{bare[:LONGEST_LINE]}…" if len(bare) > LONGEST_LINE else bare
        lines.append(Line(text[: len(text) - len(bare)], cut, path in marked or path.partition(".")[0] in marked))
    return lines, False


def written(
    value: Any, path: str = "", indent: str = "", before: str = "", depth: int = 0
) -> Iterator[tuple[str, str]]:
    """(line, field path) of indented JSON."""
    if isinstance(value, Mapping) and value and depth < MAX_DEPTH * 2:
        yield f"{indent}{before}{{", ""
        for n, (name, inner) in enumerate(value.items(), 1):
            here = f"{path}.{name}" if path else str(name)
            yield from with_comma(
                written(inner, here, indent + "  ", f"{dumped(str(name))}: ", depth + 1), n < len(value)
            )
        yield f"{indent}}}", ""
    elif isinstance(value, (list, tuple)) and value and depth < MAX_DEPTH * 2:
        yield f"{indent}{before}[", ""
        for n, inner in enumerate(value, 1):
            yield from with_comma(written(inner, path, indent + "  ", "", depth + 1), n < len(value))
        yield f"{indent}]", ""
    else:
        yield f"{indent}{before}{dumped(value)}", path


def with_comma(lines: Iterator[tuple[str, str]], is_followed: bool) -> Iterator[tuple[str, str]]:
    """The lines of one value; a comma behind the last."""
    last = next(lines)
    for line in lines:
        yield last
        last = line
    yield (f"{last[0]},", last[1]) if is_followed else last


def dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def peek(payload: Any, first: Collection[str], longest: int = 120) -> list[Part]:
    """A payload in one short line, the fields that matter first."""
    if not isinstance(payload, Mapping):
        return [Part(dumped(payload)[:longest])]
    names = sorted(payload, key=lambda name: name not in first)  # stable: otherwise in the input's order
    parts: list[Part] = []
    room = longest
    for name in names:
        text = f"{name}={short(payload[name])}"
        if room < len(text) and parts:
            return [*parts, Part("…")]
        parts.append(Part(text[:longest], field=str(name) if name in first else ""))
        room -= len(text) + 3
    return parts


def short(value: Any) -> str:
    text = value if isinstance(value, str) and value.strip() else dumped(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
