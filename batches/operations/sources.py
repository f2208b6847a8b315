"""Where a submission's items come from: exactly one of a file, a list and a queryset."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from django.db.models import QuerySet

from batches.conf import settings
from batches.exceptions import InputRefused, InvalidInput
from batches.intake.python_reader import ItemsReader, QuerysetReader
from batches.intake.readers import FileOptions, Reader, options_of
from batches.intake.reading.child import open_file


def opened(
    file: BinaryIO | Reader | None,
    filename: str,
    items: Iterable[Mapping[str, Any]] | None,
    queryset: QuerySet[Any] | None,
    reading: FileOptions,
    key_column: str,
) -> Reader:
    """The reader of exactly one source."""
    if sum(source is not None for source in (file, items, queryset)) != 1:
        raise InvalidInput(
            "Give the items as a file, a list or a queryset: exactly one of them.", {"file": ["Required."]}
        )
    if items is not None:
        return ItemsReader(items)
    if queryset is not None:
        return QuerysetReader(queryset)
    assert file is not None
    return file if isinstance(file, Reader) else read_upload(file, filename, reading, key_column)


def read_source(arguments: Mapping[str, Any]) -> Reader:
    """The reader of a submission's file or items, which `submit` takes for its file: for who is to hold a transaction
    only after they were read."""
    reading, key_column = options_of(arguments["file_options"]), arguments.get("key_column", "")
    filename = arguments.get("filename", "")
    return opened(arguments.get("file"), filename, arguments.get("items"), None, reading, key_column)


def read_upload(file: BinaryIO, filename: str, reading: FileOptions, key_column: str) -> Reader:
    refuse_large(file)
    return open_file(file, filename, key_column=key_column, options=reading)


def refuse_large(file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    limit = settings.PORTAL_MAX_UPLOAD_MB
    if size > limit * 1024 * 1024:
        raise InputRefused(
            f"The file has {size / 1024 / 1024:,.1f} MB; {limit:g} MB is the limit.",
            remedy="Split it, or raise PORTAL_MAX_UPLOAD_MB.",
        )
