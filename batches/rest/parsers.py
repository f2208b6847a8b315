"""Request bodies: JSON that any database can store, and nothing that takes the process down."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from batches.intake.readers.base import MAX_DIGITS, first_repeated

MOST_VALUES = 1_000_000
PIECES = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|([^"]++|")', re.S)
"""Whole texts, and as a group what stands between them; a quote that is never closed is no text."""
LONG_NUMBER = re.compile(rf"(?<![0-9])[0-9]{{{MAX_DIGITS + 1}}}")
SEARCHED_AT_ONCE = 256 * 1024
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
            value: dict[str, Any] = parsed(stream.read().decode())
        except ValueError as error:
            raise ParseError(f"The body is not usable JSON: {error}") from None
        return value


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
    if text.count(",") <= MOST_VALUES and not may_be_long:
        return
    values = 0
    for piece in PIECES.finditer(text):
        rest = piece[1] or ""
        values += rest.count(",")
        if values > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values; send the items as a file.")
        if may_be_long and has_long_number(rest):
            raise ValueError(f"a number has more than {MAX_DIGITS:,} digits; send it as a text.")


def has_long_number(text: str) -> bool:
    """Whether a number has more digits than are read, also one that stands in a text."""
    begins = range(0, len(text), SEARCHED_AT_ONCE)
    return any(LONG_NUMBER.search(text, begin, begin + SEARCHED_AT_ONCE + MAX_DIGITS + 1) for begin in begins)


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number.")


def refuse_half_pairs(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half a surrogate pair.") from None
