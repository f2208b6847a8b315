"""Request bodies: JSON that any database can store, and nothing that takes the process down."""

from __future__ import annotations

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from batches.intake.readers.base import MAX_DIGITS, first_repeated

MOST_VALUES = 1_000_000
MOST_MEMORY = 84 * 1024 * 1024
"""Bytes that a body may take while it is parsed: its text, and the values that are made of it."""
MEMORY_OF = {"{": 184, "[": 88, ",": 80}
"""Bytes of an object, of a list, and of one value more in either, without the letters of its texts."""
PIECES = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|([^"]++|")', re.S)
"""Whole texts, and as a group what stands between them; a quote that is never closed is no text."""
LONG_NUMBER = re.compile(rf"(?<![0-9])[0-9]{{{MAX_DIGITS + 1}}}")
READ_AT_ONCE = 256 * 1024
OUTSIDE_BMP = re.compile("[\U00010000-\U0010ffff]")
HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class StrictJSONParser(JSONParser):
    """JSON in UTF-8 without double names, NaN, half surrogate pairs or bottomless nesting."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        length = int((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0)
        if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig
        try:
            value: dict[str, Any] = parsed(text_of(stream))
        except ValueError as error:
            raise ParseError(f"The body is not usable JSON: {error}") from None
        return value


def text_of(stream: IO[bytes]) -> str:
    """The body; `ValueError` if it is not UTF-8, or takes more memory than a process should give for one.

    It is read piece by piece: all of its bytes are never held beside the text, and what is too large is not read on.
    Python keeps as many bytes for every letter as the widest one takes, so that one emoji makes a text four times as
    large.
    """
    decoder = getincrementaldecoder("utf-8")()
    pieces, length, width = [], 0, 1
    while block := stream.read(READ_AT_ONCE):
        pieces.append(decoder.decode(block))
        length += len(pieces[-1])
        width = max(width, bytes_a_letter(pieces[-1]))
        if 2 * width * length > MOST_MEMORY:
            raise too_large()
    decoder.decode(b"", final=True)
    return "".join(pieces)


def bytes_a_letter(text: str) -> int:
    """At most so many bytes does Python keep for each letter of the text."""
    return 1 if text.isascii() else 4 if OUTSIDE_BMP.search(text) else 2


def too_large() -> ValueError:
    return ValueError(
        f"it takes more than {MOST_MEMORY / 1024**2:,.0f} MB of memory at once; send the items as a file."
    )


def parsed(text: str) -> Any:
    """The value of a JSON text; `ValueError` says what is wrong with it."""
    refuse_too_much(text)
    try:
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply.") from None
    if HALF_PAIR.search(text):
        refuse_half_pairs(value)
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError(f"the name {first_repeated(name for name, _ in pairs)!r} occurs twice in one object.")
    return value


def refuse_too_much(text: str) -> None:
    """`ValueError` for more values, or longer numbers, than a process should hold at once; texts do not count.

    Counting is a hundred times as fast as parsing; texts are told from the rest only where that may matter. All of it
    goes step by step: other threads wait while a search lasts, and a copy would double what is held.
    """
    may_be_long = has_long_number(text)
    memory = 2 * bytes_a_letter(text) * len(text)
    if text.count(",") <= MOST_VALUES and memory + memory_between(text) <= MOST_MEMORY and not may_be_long:
        return
    values = 0
    for piece in PIECES.finditer(text):
        begin, end = piece.span(1)
        if begin == end:
            continue
        values += text.count(",", begin, end)
        if values > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values; send the items as a file.")
        memory += memory_between(text, begin, end)
        if memory > MOST_MEMORY:
            raise too_large()
        if may_be_long and has_long_number(text, begin, end):
            raise ValueError(f"a number has more than {MAX_DIGITS:,} digits; send it as a text.")


def memory_between(text: str, begin: int = 0, end: int | None = None) -> int:
    """Bytes of the values there, if no letter there is within a text."""
    return sum(size * text.count(sign, begin, end) for sign, size in MEMORY_OF.items())


def has_long_number(text: str, begin: int = 0, end: int | None = None) -> bool:
    """Whether a number there has more digits than are read, also one that stands in a text.

    Such a number covers a multiple of its length: only there is a digit looked for, and around it a number.
    """
    end = len(text) if end is None else end
    return any(
        "0" <= text[probe] <= "9"
        and LONG_NUMBER.search(text, max(begin, probe - MAX_DIGITS), min(end, probe + MAX_DIGITS + 1))
        for probe in range(begin, end, MAX_DIGITS + 1)
    )


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number.")


def refuse_half_pairs(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half a surrogate pair.") from None
