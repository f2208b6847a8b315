"""Workbooks that are archives, looked at before they are unpacked."""

from __future__ import annotations

import zipfile
from typing import BinaryIO

from batches.exceptions import InputRefused

MOST_UNPACKED = 200 * 1024 * 1024
MOST_RATIO = 100


def refuse_bomb(file: BinaryIO) -> None:
    """An archive that unpacks to far more than it holds is refused before it is unpacked; .xls is none."""
    file.seek(0)
    if not file.read(4).startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            packed = sum(entry.compress_size for entry in archive.infolist())
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise InputRefused(
            "The file is no Excel workbook, or it is damaged.", remedy="Save it again as .xlsx."
        ) from None
    if unpacked > MOST_UNPACKED or unpacked > MOST_RATIO * max(packed, 1024):
        raise InputRefused(
            f"The workbook unpacks to {unpacked / 1024 / 1024:,.1f} MB.", remedy="Export the rows as CSV instead."
        )
