"""Files as text layers and parsers read them, without ever closing them."""

from __future__ import annotations

import io
from typing import Any, BinaryIO


class Unclosed(io.RawIOBase):
    """A file that a text layer may read and drop without closing it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


class AsUtf8:
    """A text file in another encoding, read as UTF-8 bytes without a byte order mark."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self.text = io.TextIOWrapper(io.BufferedReader(Unclosed(file)), encoding=encoding, newline="")
        self.at_start = True

    def read(self, size: int = -1) -> bytes:
        return self.encoded(self.text.read(max(1, size // 4) if size > 0 else size)) if size else b""

    def readline(self, size: int = -1) -> bytes:
        return self.encoded(self.text.readline(size))

    def encoded(self, text: str) -> bytes:
        if self.at_start:
            self.at_start, text = False, text.removeprefix("\ufeff")
        return text.encode("utf-8", "surrogatepass")
