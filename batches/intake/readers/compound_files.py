"""Compound files, in which Excel up to 2003 kept its workbooks: a file system of sectors, and its streams."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

HEADER_BYTES = 512
DIRECTORY_ENTRY = 128
SECTORS_IN_HEADER = 109
MINI_SECTOR = 64
LAST_SECTOR = 0xFFFFFFFA
"""From here on a number names no sector."""
BLOCK = 1 << 20


class CompoundFile:
    """Streams by name. What is damaged raises `struct.error`, `IndexError` or `ValueError`."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        file.seek(0)
        head = file.read(HEADER_BYTES)
        self.sector_bytes = 1 << min(struct.unpack_from("<H", head, 30)[0], 20)
        directory, self.least_bytes, mini_table = struct.unpack_from("<I4xII", head, 48)
        self.table = self._sector_table(head)
        entries = b"".join(self._chained(directory, 0))
        self.entries = dict(self._entry(entries, at) for at in range(0, len(entries), DIRECTORY_ENTRY))
        self.mini_table_start = mini_table

    def stream(self, name: str, start: int = 0) -> Iterator[bytes]:
        """The stream from a place on, in blocks; `KeyError`: there is none of that name."""
        first, size = self.entries[name]
        if size >= self.least_bytes:
            return self._chained(first, start)
        return iter((self._small(first)[start:size],))

    def _sector_table(self, head: bytes) -> list[int]:
        """Sector -> the one that follows it in its stream."""
        places = list(struct.unpack_from(f"<{SECTORS_IN_HEADER}I", head, 76))
        more, count = struct.unpack_from("<II", head, 68)
        for _ in range(count if more < LAST_SECTOR else 0):
            further = numbers(self._sectors(more, 1))
            places += further[:-1]
            more = further[-1]
        return [number for place in places if place < LAST_SECTOR for number in numbers(self._sectors(place, 1))]

    def _entry(self, entries: bytes, at: int) -> tuple[str, tuple[int, int]]:
        """Name -> (first sector, bytes); the root, which holds the small streams, is nameless here."""
        length, kind = struct.unpack_from("<HB", entries, at + 64)
        first, size = struct.unpack_from("<II", entries, at + 116)
        name = entries[at : at + max(length - 2, 0)].decode("utf-16-le", "replace")
        return "" if kind == 5 else name or f" {at}", (first, size)

    def _sectors(self, first: int, count: int) -> bytes:
        self.file.seek((first + 1) * self.sector_bytes)
        return self.file.read(count * self.sector_bytes)

    def _chained(self, first: int, start: int) -> Iterator[bytes]:
        """A chain of sectors, neighbours read together."""
        chain = islice(followed(self.table, first), start // self.sector_bytes, None)
        surplus, run, length = start % self.sector_bytes, next(chain, LAST_SECTOR), 1
        for sector in (*chain, LAST_SECTOR) if run < LAST_SECTOR else ():
            if sector == run + length and length * self.sector_bytes < BLOCK:
                length += 1
                continue
            yield self._sectors(run, length)[surplus:]
            surplus, run, length = 0, sector, 1

    def _small(self, first: int) -> bytes:
        """A stream of less than a few sectors, which stands in the root's."""
        table = numbers(b"".join(self._chained(self.mini_table_start, 0)))
        whole = b"".join(self._chained(self.entries[""][0], 0))
        return b"".join(whole[at * MINI_SECTOR : (at + 1) * MINI_SECTOR] for at in followed(table, first))


def numbers(sectors: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(sectors) // 4}I", sectors))


def followed(table: list[int], sector: int) -> Iterator[int]:
    """The sectors of a chain, no more than there are."""
    for _ in table:
        if sector >= LAST_SECTOR:
            return
        yield sector
        sector = table[sector]
