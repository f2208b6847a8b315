"""A worker writes the file of an export, in slices.

The row says how many bytes of the file count and where the next page begins, so a worker that dies costs what it wrote
since; a file gets its name only when it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from time import monotonic
from typing import Any, BinaryIO

from django.db.models import QuerySet
from django.utils import timezone

from batches.engine.slices import never
from batches.exceptions import BatchError
from batches.lanes import leased_rows
from errors.exports import FILE_KEPT_FOR, files, waiting
from errors.exports.exporters import Exporter
from errors.exports.request import ExportRequest
from errors.models import Export

State = Export.State
SLICE_SECONDS = 20.0
SECONDS_BETWEEN_SAVES = 0.5


def work(pk: int, *, seconds: float = SLICE_SECONDS, should_stop: Callable[[], bool] = never) -> bool:
    """Write the export's file for at most `seconds`; True when there is more to write."""
    export = take(pk)
    if export is None:
        return False
    try:
        return FileWriter(export, monotonic() + seconds, should_stop).write_slice()
    finally:
        leased_rows.give_up(leased_rows.held(export))


def take(pk: int) -> Export | None:
    """Hold an open export that nobody holds; None if somebody does, or it is over."""
    lease_before = Export.objects.filter(pk=pk).values_list("lease_expires_at", flat=True).first()
    if not leased_rows.take(waiting().filter(pk=pk), state=State.RUNNING):
        return None
    export = Export.objects.select_related("batch").get(pk=pk)
    if lease_before is not None:
        continue_in_new_file(export)
    return export


def continue_in_new_file(export: Export) -> None:
    """The last worker may be alive after all, and writing: the file goes on under another name."""
    name = files.part_name()
    try:
        files.copy_start(export.file, name, export.written)
    except (FileNotFoundError, IsADirectoryError):
        pass
    files.delete(export.file)
    export.file = name
    leased_rows.held(export).update(file=name)


class FileWriter:
    """One slice of writing a file, up to `deadline` in seconds of `monotonic`."""

    def __init__(self, export: Export, deadline: float, should_stop: Callable[[], bool]) -> None:
        self.export, self.deadline, self.should_stop = export, deadline, should_stop
        self.exporter: Exporter
        self.saved_at = monotonic()

    def write_slice(self) -> bool:
        """True when there is more to write."""
        try:
            with closing(ExportRequest.of(self.export).exporter()) as self.exporter:
                return self.write()
        except (BatchError, OSError) as error:
            self.close(State.FAILED, f"It could not be made: {error}")
            files.delete(self.export.file)
            return False

    def write(self) -> bool:
        export, exporter = self.export, self.exporter
        with self.open_part() as file:
            if not export.written:
                file.write(exporter.head())
            for block in exporter.blocks(export.place, export.done):
                file.write(block.content)
                export.done, export.place = export.done + block.row_count, block.place
                if not self.save_if_due(file):
                    return False
                if self.is_slice_over():
                    return self.save(file)
            for content in exporter.tail(export.done):
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
            export.written = file.tell()
        self.finish()
        return False

    def open_part(self) -> BinaryIO:
        """The unfinished file, open behind those of its bytes that count."""
        export = self.export
        if not self.exporter.resumable:
            self.begin_anew()
        path = files.directory() / (export.file or files.part_name())
        if not path.exists() or path.stat().st_size < export.written:
            self.begin_anew()
        export.file = path.name
        file = path.open("r+b" if path.exists() else "w+b")
        path.chmod(0o600)
        file.truncate(export.written)
        file.seek(export.written)
        return file

    def begin_anew(self) -> None:
        self.export.written, self.export.done, self.export.place = 0, 0, None

    def save_if_due(self, file: BinaryIO) -> bool:
        """Save now and then; False when the export was cancelled or taken over."""
        return monotonic() - self.saved_at < SECONDS_BETWEEN_SAVES or self.save(file)

    def save(self, file: BinaryIO) -> bool:
        """Store how far the file has come, with a new lease; False when the export was cancelled or taken over."""
        file.flush()
        self.export.written = file.tell() if self.exporter.resumable else 0
        self.saved_at = monotonic()
        if leased_rows.keep(self.held_row(), **self.progress()):
            return True
        files.delete(self.export.file)
        return False

    def progress(self) -> dict[str, Any]:
        return {name: getattr(self.export, name) for name in ("written", "done", "place", "file")}

    def held_row(self) -> QuerySet[Export]:
        return leased_rows.held(self.export).filter(state=State.RUNNING)

    def is_slice_over(self) -> bool:
        """A workbook is written in one go: only a worker that has to end breaks it off, and it begins anew."""
        return self.should_stop() or (self.exporter.resumable and monotonic() > self.deadline)

    def finish(self) -> None:
        """Give the whole file its name, unless the export was cancelled or taken over."""
        part = self.export.file
        if not self.held_row().exists():
            files.delete(part)
            return
        self.export.file = part.removesuffix(".part")
        (files.directory() / part).rename(files.directory() / self.export.file)
        if not self.close(State.READY):
            files.delete(self.export.file)

    def close(self, state: str, note: str = "") -> bool:
        """Store how the export ended; False when it was cancelled or taken over."""
        now = timezone.now()
        expires_at = now + FILE_KEPT_FOR if state == State.READY else None
        end = {"state": state, "note": note, "finished_at": now, "expires_at": expires_at}
        return bool(self.held_row().update(**end, **self.progress()))
