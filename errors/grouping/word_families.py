"""Messages that differ in an ordinary word: "no stock for apple", "no stock for pear".

A few such words tell causes apart ("missing field name", "missing field price"). A place that has taken many of them
in one batch holds values like any other: its messages are of one family, whose key has `<any word>` there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from errors.grouping.message_patterns import CJK, QUOTES

ANY_WORD, ANY_WORDS = "<any word>", "<any words>"
MANY_WORDS = 30
"""Words that a place must take in one batch, before they are values."""
MANY_WORDS_AT_CAP = 8
"""The same where the batch has no room left for more groups of the class and code."""
MAX_WORDS = 3
"""Words of one value, as in "New York"."""
VALUES = frozenset({"<str>", "<id>", ANY_WORD, ANY_WORDS})
"""Placeholders that may stand where a word does: one value is in the payload, the next is not."""
TOKEN = re.compile(r"<[^<>]{1,100}>|\w+(?:[-'’.&]\w+)*")
NO_WORD = re.compile(rf"[\d_{CJK}]|[a-z][A-Z]")
"""What identifiers, numbers and unspaced sentences have in them: `order_no`, `orderNo`, `b2`."""


class Place(NamedTuple):
    """A key with one place left open; `words` is what stood there, `length` how many words that are."""

    key: str
    words: str
    length: int


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a key, or a placeholder, and where it stands."""

    text: str
    start: int
    end: int

    @property
    def is_word(self) -> bool:
        return not self.text.startswith("<") and NO_WORD.search(self.text) is None

    @property
    def is_value(self) -> bool:
        return self.is_word or self.text in VALUES


@lru_cache(maxsize=4096)
def places(key: str) -> tuple[Place, ...]:
    """Every place of a key that may turn out to hold any word, those of one word first."""
    tokens = [Token(match[0], *match.span()) for match in TOKEN.finditer(key)]
    return tuple(place for length in range(1, MAX_WORDS + 1) for place in places_of_length(key, tokens, length))


def places_of_length(key: str, tokens: list[Token], length: int) -> Iterator[Place]:
    """The places of so many words that leave as many words to recognize the message by."""
    words = sum(token.is_word for token in tokens)
    for first in range(len(tokens) - length + 1):
        span = tokens[first : first + length]
        start, end = span[0].start, span[-1].end
        left = words - sum(token.is_word for token in span)
        recognizable = left >= length or (length == 1 and is_quotation(key, start, end))
        if recognizable and all(token.is_value for token in span) and is_phrase(key, span):
            opened = ANY_WORD if length == 1 else ANY_WORDS
            yield Place(key[:start] + opened + key[end:], key[start:end], length)


def is_quotation(key: str, start: int, end: int) -> bool:
    """Whether the key is this word in quotes, as that of a KeyError is."""
    return key[:start] in QUOTES and key[end:] != "" and key[end:] in QUOTES[key[:start]]


def is_phrase(key: str, span: list[Token]) -> bool:
    """Whether one space is all that stands between the words."""
    return all(key[one.end : other.start] == " " for one, other in pairwise(span))


def families_in(keys: Iterable[str], names: Collection[str], least: int = MANY_WORDS) -> dict[str, str]:
    """key -> the key of its family, for those with a place in which `least` different words stand.

    Names of the input's fields are no values. Of several places the one of the fewest words counts, then that with
    the most different ones.
    """
    taken: dict[tuple[str, int], set[str]] = defaultdict(set)
    distinct = sorted(set(keys))
    for key in distinct:
        for place in places(key):
            if place.words not in names:
                taken[place.key, place.length].add(place.words)
    free = {place: len(words) for place, words in taken.items() if len(words) >= least and varies(words, least)}
    families = {}
    for key in distinct:
        opened = [place for place in places(key) if place.words not in names and (place.key, place.length) in free]
        if opened:
            best = min(opened, key=lambda place: (place.length, -free[place.key, place.length], place.key))
            families[key] = best.key
    return families


def varies(words: Collection[str], least: int) -> bool:
    """Whether each word of a phrase varies: "field name" and "column price" are no values of one place."""
    columns = zip(*(TOKEN.findall(phrase) for phrase in words), strict=True)
    return all(len(set(column)) >= min(least, MANY_WORDS_AT_CAP) for column in columns)


def in_family(key: str, family: str, names: Collection[str] = ()) -> bool:
    """Whether the messages of this key belong to the family of that key."""
    match = pattern_of(family).fullmatch(key)
    return match is not None and all(is_taken(words, names) for words in match.groups())


def is_taken(words: str, names: Collection[str]) -> bool:
    tokens = [Token(match[0], *match.span()) for match in TOKEN.finditer(words)]
    return words not in names and all(token.is_value for token in tokens)


@lru_cache(maxsize=256)
def pattern_of(family: str) -> re.Pattern[str]:
    """The messages of a family, with a group for each place."""
    parts = re.split(f"({ANY_WORD}|{ANY_WORDS})", family)
    token = f"(?:{TOKEN.pattern})"
    places = {ANY_WORD: f"({token})", ANY_WORDS: f"({token}(?: {token}){{0,{MAX_WORDS - 1}}})"}
    return re.compile("".join(places.get(part) or re.escape(part) for part in parts))


def title_of(title: str, key: str, family: str) -> str:
    """The family's title: that of one of its messages, with the same place open; its key if they do not match."""
    opened = [number for number, token in enumerate(TOKEN.findall(family)) if token in (ANY_WORD, ANY_WORDS)]
    words = next((place for place in places(key) if place.key == family), None)
    in_title, in_key = list(TOKEN.finditer(title)), TOKEN.findall(key)
    if words is None or len(in_title) != len(in_key):
        return family
    first = next(number for number in opened if in_key[number] not in (ANY_WORD, ANY_WORDS))
    last = first + words.length - 1
    kind = ANY_WORD if words.length == 1 else ANY_WORDS
    return title[: in_title[first].start()] + kind + title[in_title[last].end() :]
