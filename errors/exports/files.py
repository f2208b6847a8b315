"""Where the files of exports lie: under `var/exports`, which web and worker processes share."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from batches.conf import settings

STRAY_AFTER = timedelta(hours=1)
"""A file that no export names is deleted once it is this old."""
BLOCK_BYTES = 64 * 1024


def directory() -> Path:
    path: Path = settings.PORTAL_VAR / "exports"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


class FileBlocks(Iterator[bytes]):
    """The blocks of a file, which is closed after the last one, or by whoever wants no more of them, or none.

    Raises `FileNotFoundError` when it is made, not at the first block.
    """

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb")

    def __next__(self) -> bytes:
        if self.file.closed:
            raise StopIteration
        if not (block := self.file.read(BLOCK_BYTES)):
            self.close()
            raise StopIteration
        return block

    def close(self) -> None:
        self.file.close()


def copy_start(source: str, target: str, size: int) -> None:
    """Begin the file `target` with the first `size` bytes of `source`."""
    with (directory() / source).open("rb") as old, (directory() / target).open("wb") as new:
        while size and (block := old.read(min(BLOCK_BYTES, size))):
            new.write(block)
            size -= len(block)


def part_name() -> str:
    """A name for a file that is not whole yet."""
    return f"{secrets.token_hex(16)}.part"


def delete(name: str) -> None:
    if name:
        (directory() / name).unlink(missing_ok=True)


def delete_strays(named: Collection[str]) -> None:
    """Delete old files whose name is not among `named`."""
    old = (timezone.now() - STRAY_AFTER).timestamp()
    for path in directory().iterdir():
        if path.name not in named and path.stat().st_mtime < old:
            path.unlink(missing_ok=True)
