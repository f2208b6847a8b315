"""Files in a frame: `rows.csv.gz`, and a `.zip` with one table in it. They are unpacked to disk, and bounded."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import PurePath
from tempfile import TemporaryFile
from typing import IO, BinaryIO

from batches.exceptions import InputRefused

BLOCK = 1 << 20
MOST_UNPACKED = 1024 * 1024 * 1024
FRAMES = (".gz", ".zip")
FILES_NAMED = 10


def suffix_of(filename: str) -> str:
    """The extension; that of a packed file has both."""
    suffixes = [suffix.lower() for suffix in PurePath(filename).suffixes]
    return "".join(suffixes[-2:]) if suffixes[-1:] == [".gz"] else (suffixes or [""])[-1]


def unpacked(file: BinaryIO, filename: str, member: str, readable: Collection[str]) -> tuple[BinaryIO, str]:
    """The file in the frame, and its name. `member` names the one of several in a .zip."""
    if filename.lower().endswith(".gz"):
        return from_gzip(file), filename[:-3]
    return from_zip(file, member, readable)


def from_gzip(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    with gzip.GzipFile(fileobj=file) as packed:
        return bounded_copy(packed)


def from_zip(file: BinaryIO, member: str, readable: Collection[str]) -> tuple[BinaryIO, str]:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            entry = chosen_entry(archive, member, readable)
            if entry.flag_bits & 1:
                raise InputRefused("The archive has a password.", remedy="Pack it again without one.")
            with archive.open(entry) as packed:
                return bounded_copy(packed), PurePath(entry.filename).name
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, struct.error):
        raise damaged() from None


def chosen_entry(archive: zipfile.ZipFile, member: str, readable: Collection[str]) -> zipfile.ZipInfo:
    """The one table of the archive, or the one that is named."""
    tables = [entry for entry in archive.infolist() if is_table(entry.filename, readable)]
    if member:
        tables = [entry for entry in tables if member in (entry.filename, PurePath(entry.filename).name)]
    if len(tables) == 1:
        return tables[0]
    names = ", ".join(repr(entry.filename) for entry in archive.infolist()[:FILES_NAMED] if not entry.is_dir())
    problem = f"holds {len(tables):,} tables" if tables else f"has no file {member!r}" if member else "holds no table"
    raise InputRefused(
        f"The archive {problem}: {names or 'it is empty'}.",
        remedy="Name the file that is meant (--sheet)." if tables else f"Pack one of {', '.join(sorted(readable))}.",
    )


def is_table(name: str, readable: Collection[str]) -> bool:
    """Not a folder, nor what macOS leaves beside each file."""
    path = PurePath(name)
    return path.suffix.lower() in readable and not path.name.startswith(".") and "__MACOSX" not in path.parts


def bounded_copy(packed: IO[bytes] | gzip.GzipFile) -> BinaryIO:
    """What is unpacked, on disk. `InputRefused`: it is damaged, or larger than any file may be."""
    copy: BinaryIO = TemporaryFile()  # type: ignore[assignment]  # noqa: SIM115 - open as long as it is read
    size = 0
    try:
        while block := packed.read(BLOCK):
            size += copy.write(block)
            if size > MOST_UNPACKED:
                raise InputRefused(
                    f"The file unpacks to more than {MOST_UNPACKED / 1024**2:,.0f} MB.", remedy="Split it."
                )
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        with suppress(OSError):
            copy.close()
        raise damaged() from error
    copy.seek(0)
    return copy


def damaged() -> InputRefused:
    return InputRefused("The packed file is damaged or cut off.", remedy="Pack it again, and send it whole.")
