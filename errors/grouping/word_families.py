"""Messages that differ in an ordinary word: "no stock for apple", "no stock for pear".

A few such words tell causes apart ("missing field name", "missing field price"). A place that has taken many of them
in one batch holds values like any other: its messages are of one family, whose key has `<any word>` there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
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
MAX_TOKENS = 40
"""Of a message: what is longer is a text of its own."""
MAX_WORDS = 3
"""Words of one value, as in "New York"."""
VALUES = frozenset({"<str>", "<id>", ANY_WORD, ANY_WORDS})
"""Placeholders that may stand where a word does: one value is in the payload, the next is not."""
TOKEN = re.compile(r"<[^<>]{1,100}>|\w+(?:[-'’.&]\w+)*")
NO_WORD = re.compile(rf"[\d_{CJK}]|[a-z][A-Z]")
"""What identifiers, numbers and unspaced sentences have in them: `order_no`, `orderNo`, `b2`."""


class Place(NamedTuple):
    """A place of a key that may be left open; `words` is what stands there, `length` how many words that are.

    `mark` is the same for all keys that differ there alone: much smaller than they are.
    """

    start: int
    end: int
    words: str
    length: int
    mark: int

    def opened(self, key: str) -> str:
        """The key with the place left open."""
        return opened(key, self.start, self.end, self.length)


def opened(key: str, start: int, end: int, length: int) -> str:
    return f"{key[:start]}{ANY_WORD if length == 1 else ANY_WORDS}{key[end:]}"


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


@lru_cache(maxsize=2048)
def places(key: str) -> tuple[Place, ...]:
    """Every place of a key that may turn out to hold any word, those of one word first; none in a long text."""
    tokens = [Token(match[0], *match.span()) for match in TOKEN.finditer(key)]
    if len(tokens) > MAX_TOKENS:
        return ()
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
            mark = hash((opened(key, start, end, length), length))
            yield Place(start, end, key[start:end], length, mark)


def is_quotation(key: str, start: int, end: int) -> bool:
    """Whether the key is this word in quotes, as that of a KeyError is."""
    return key[:start] in QUOTES and key[end:] != "" and key[end:] in QUOTES[key[:start]]


def is_phrase(key: str, span: list[Token]) -> bool:
    """Whether one space is all that stands between the words."""
    return all(key[one.end : other.start] == " " for one, other in pairwise(span))


def families_in(
    keys: Collection[str], names: Collection[str], least: int = MANY_WORDS, others: Collection[str] = ()
) -> dict[str, str]:
    """key -> the key of its family, for those with a place in which `least` different words stand, as far as the
    `keys` have one; of the `others` too.

    Names of the input's fields are no values. Of several places the one of the fewest words counts, then that with
    the most different ones.
    """
    names, before = frozenset(names), words_by_place(frozenset(others), frozenset(names))
    own = words_by_place(frozenset(keys), names)
    free: dict[int, int] = {}
    for mark, words in own.items():
        together = words | before.get(mark, frozenset())
        if len(together) >= least and varies(together, least):
            free[mark] = len(together)
    if not free:
        return {}
    everywhere = before if others else own
    free |= {m: len(w) for m, w in everywhere.items() if m not in free and len(w) >= least and varies(w, least)}
    families = {}
    for key in sorted({*keys, *others}):
        may_open = [place for place in places(key) if place.words not in names and place.mark in free]
        if may_open:
            best = min(may_open, key=lambda place: (place.length, -free[place.mark], place.start))
            families[key] = best.opened(key)
    return families


@lru_cache(maxsize=8)
def words_by_place(keys: frozenset[str], names: frozenset[str]) -> Mapping[int, frozenset[str]]:
    """By the place's mark. What a batch has is asked for chunk after chunk, and seldom changes."""
    taken: dict[int, set[str]] = defaultdict(set)
    for key in keys:
        for place in places(key):
            if place.words not in names:
                taken[place.mark].add(place.words)
    return {mark: frozenset(words) for mark, words in taken.items()}


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
    open_places = [number for number, token in enumerate(TOKEN.findall(family)) if token in (ANY_WORD, ANY_WORDS)]
    words = next((place for place in places(key) if place.opened(key) == family), None)
    in_title, in_key = list(TOKEN.finditer(title)), TOKEN.findall(key)
    if words is None or len(in_title) != len(in_key):
        return family
    first = next(number for number in open_places if in_key[number] not in (ANY_WORD, ANY_WORDS))
    last = first + words.length - 1
    kind = ANY_WORD if words.length == 1 else ANY_WORDS
    return title[: in_title[first].start()] + kind + title[in_title[last].end() :]
