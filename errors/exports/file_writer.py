"""A worker makes the file of an export, in slices.

The row says how many bytes of the file count and where the next page begins, so a worker that dies costs what it wrote
since; a file gets its name only when it is whole.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from time import monotonic
from typing import Any, BinaryIO

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from batches import clock
from batches.engine.slices import never
from batches.exceptions import BatchError
from batches.lanes import leases
from errors.exports import BLOCK, KEPT, S, delete, directory, wanted_of
from errors.exports.exporters import Exporter
from errors.exports.request import Wanted
from errors.models import Export

SLICE_SECONDS = 20.0
SAVED_EVERY = 0.5


def work(pk: int, *, seconds: float = SLICE_SECONDS, should_stop: Callable[[], bool] = never) -> bool:
    """Go on with it for a while; True when there is more to do."""
    mine = take(pk)
    if mine is None:
        return False
    try:
        return Making(mine, monotonic() + seconds, should_stop).go_on()
    finally:
        Export.objects.filter(pk=pk, fence=mine.fence).update(lease_expires_at=None)


def take(pk: int) -> Export | None:
    """Hold an export that nobody holds; one statement decides a race."""
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=clock.now_sql())
    before = Export.objects.filter(pk=pk).values_list("lease_expires_at", flat=True).first()
    mine = Export.objects.filter(free, pk=pk, state__in=Export.OPEN)
    if not mine.update(state=S.RUNNING, fence=F("fence") + 1, lease_expires_at=leases.lease_end()):
        return None
    found = Export.objects.select_related("batch").get(pk=pk)
    if before is not None:
        leave_behind(found)
    return found


def leave_behind(mine: Export) -> None:
    """The last worker may be alive after all, and writing: go on with a file of our own, which begins as its one."""
    name = f"{secrets.token_hex(16)}.part"
    try:
        with (directory() / mine.file).open("rb") as old, (directory() / name).open("wb") as new:
            rest = mine.written
            while rest and (block := old.read(min(BLOCK, rest))):
                new.write(block)
                rest -= len(block)
    except (FileNotFoundError, IsADirectoryError):
        pass
    delete(mine.file)
    mine.file = name
    Export.objects.filter(pk=mine.pk, fence=mine.fence).update(file=name)


class Making:
    """One slice of making a file."""

    def __init__(self, mine: Export, deadline: float, should_stop: Callable[[], bool]) -> None:
        self.mine, self.deadline, self.should_stop = mine, deadline, should_stop
        self.saved = monotonic()

    def go_on(self) -> bool:
        wanted = wanted_of(self.mine)
        exporter = wanted.exporter()
        try:
            return self.write(wanted, exporter)
        except (BatchError, OSError) as error:
            self.over(S.FAILED, f"It could not be made: {error}")
            delete(self.mine.file)
            return False
        finally:
            exporter.close()

    def write(self, wanted: Wanted, exporter: Exporter) -> bool:
        with self.part(exporter) as file:
            if not self.mine.written:
                file.write(exporter.head())
            for place, count, block in exporter.blocks(self.mine.place, self.mine.done):
                file.write(block)
                self.mine.done, self.mine.place = self.mine.done + count, place
                if not self.saves(file, exporter):
                    return False
                if self.is_over(exporter):
                    return self.save(file, exporter)
            for block in exporter.tail(self.mine.done):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            self.mine.written = file.tell()
        return self.finish()

    def part(self, exporter: Exporter) -> BinaryIO:
        """The unfinished file, open behind what counts of it."""
        if not exporter.resumable:
            self.begin_anew()
        path = directory() / (self.mine.file or f"{secrets.token_hex(16)}.part")
        if not path.exists() or path.stat().st_size < self.mine.written:
            self.begin_anew()
        self.mine.file = path.name
        file = path.open("r+b" if path.exists() else "w+b")
        path.chmod(0o600)
        file.truncate(self.mine.written)
        file.seek(self.mine.written)
        return file

    def begin_anew(self) -> None:
        self.mine.written, self.mine.done, self.mine.place = 0, 0, None

    def saves(self, file: BinaryIO, exporter: Exporter) -> bool:
        """Now and then; False when it was cancelled, or taken over."""
        if monotonic() - self.saved < SAVED_EVERY:
            return True
        return self.save(file, exporter)

    def save(self, file: BinaryIO, exporter: Exporter) -> bool:
        """What is on the disk, and a new lease."""
        file.flush()
        self.mine.written, self.saved = file.tell() if exporter.resumable else 0, monotonic()
        if self.held().update(lease_expires_at=leases.lease_end(), **self.standing()):
            return True
        delete(self.mine.file)
        return False

    def standing(self) -> dict[str, Any]:
        return {name: getattr(self.mine, name) for name in ("written", "done", "place", "file")}

    def held(self) -> QuerySet[Export]:
        return Export.objects.filter(pk=self.mine.pk, fence=self.mine.fence, state=S.RUNNING)

    def is_over(self, exporter: Exporter) -> bool:
        """A workbook is made in one go: only a worker that has to end breaks it off, and it begins anew."""
        return self.should_stop() or (exporter.resumable and monotonic() > self.deadline)

    def finish(self) -> bool:
        part, whole = self.mine.file, self.mine.file.removesuffix(".part")
        if not self.held().exists():
            delete(part)
            return False
        (directory() / part).rename(directory() / whole)
        self.mine.file = whole
        if not self.over(S.READY, ""):
            delete(whole)
        return False

    def over(self, state: str, note: str) -> bool:
        now = timezone.now()
        end = {"state": state, "note": note, "finished_at": now, "expires_at": now + KEPT if state == S.READY else None}
        return bool(self.held().update(**end, **self.standing()))
