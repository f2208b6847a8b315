"""The members of a JSON array, one by one: each is parsed as a whole, and only as much of the file is in memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

BLOCK = 64 * 1024
WHITESPACE = re.compile("[ \t\n\r]*")


class ArrayText:
    """The text of a file from the place that was reached; a value longer than `longest` characters is refused."""

    def __init__(self, file: BinaryIO, decoder: json.JSONDecoder, longest: int) -> None:
        self.file, self.decoder, self.longest = file, decoder, longest
        self.decode: Callable[..., str] = codecs.getincrementaldecoder("utf-8-sig")().decode
        self.text, self.place, self.at_end = "", 0, False

    def members(self) -> Iterator[Any]:
        """`ValueError`: it is no array, `RecursionError`: a member is nested too deeply."""
        self.take("[", "it does not begin with [")
        if self.sign() != "]":
            yield self.value()
            while self.sign() == ",":
                self.place += 1
                self.sign()
                yield self.value()
        self.take("]", "between two items stands no comma")
        if self.sign():
            raise ValueError("something follows its ]")

    def take(self, sign: str, problem: str) -> None:
        if self.sign() != sign:
            raise ValueError(problem)
        self.place += 1

    def sign(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            self.place = WHITESPACE.match(self.text, self.place).end()  # type: ignore[union-attr]
            if self.place < len(self.text):
                return self.text[self.place]
            if not self.fill(BLOCK):
                return ""

    def value(self) -> Any:
        """The value that begins here."""
        size = BLOCK
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.place)
                if end < len(self.text) or self.at_end:
                    self.place = end
                    return value
            except json.JSONDecodeError as error:
                if self.at_end:
                    raise ValueError(error.msg) from None
            if len(self.text) - self.place > self.longest:
                raise ValueError(f"an item takes more than {self.longest:,} characters, or is not JSON")
            self.fill(size)
            size *= 2

    def fill(self, size: int) -> bool:
        """Read on; False at the end of the file."""
        block = self.file.read(size)
        self.at_end = not block
        self.text = self.text[self.place :] + self.decode(block, self.at_end)
        self.place = 0
        return not self.at_end
