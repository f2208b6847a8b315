"""Exports on record: every one leaves a row, and what is too long for a download becomes a file, made by a worker
(`errors.exports.file_writer`) and kept for a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from batches import clock
from batches.exceptions import BatchError
from batches.models import Batch
from batches.tasks import tell_by_name
from errors.exports.exporters import EXPORTERS
from errors.exports.request import Wanted
from errors.filters.error_filter import ErrorFilter
from errors.models import Export

S = Export.State
KEPT = timedelta(days=1)
STRAY = timedelta(hours=1)
"""A file that no row names is taken away when it is so old."""
BLOCK = 64 * 1024


class UnknownExport(BatchError):
    """The batch has no export of that number."""


class ExportGone(BatchError):
    """The file is not there any more."""


class ExportNotReady(BatchError):
    """There is no whole file yet."""


class ExportUnderWay(BatchError):
    """The same person's other large export is being made: one at a time."""


def directory() -> Path:
    made: Path = settings.VAR / "exports"
    made.mkdir(mode=0o700, exist_ok=True)
    return made


# -- asked for ---------------------------------------------------------------------------------------------------------


def is_long(wanted: Wanted) -> bool:
    """Whether it is made in the background: sooner if nothing of it could be sent before all of it is made."""
    most: int = settings.PORTAL_EXPORT_ROWS
    if not EXPORTERS[wanted.format].streams:
        most = min(most, settings.PORTAL_EXPORT_XLSX_ROWS)
    return wanted.rows > most


def record(wanted: Wanted, *, actor: str, user: Any = None, state: str = S.STREAMED) -> Export:
    """Write down who asks for what."""
    with transaction.atomic():
        Batch.objects.select_for_update().only("pk").get(pk=wanted.batch.pk)
        last = Export.objects.filter(batch=wanted.batch).order_by("-number").values_list("number", flat=True).first()
        return Export.objects.create(
            batch=wanted.batch,
            number=(last or 0) + 1,
            kind=wanted.kind,
            format=wanted.format,
            filters=wanted.error_filter.as_dict(),
            raw=wanted.raw,
            rows=wanted.rows,
            frozen_to=wanted.frozen_to,
            state=state,
            user=user,
            actor=actor,
            finished_at=timezone.now() if state == S.STREAMED else None,
        )


def begin(wanted: Wanted, *, actor: str, user: Any = None) -> Export:
    """Have it made in the background. The same asked again is the one that is under way; another one has to wait."""
    mine = Export.objects.filter(state__in=Export.OPEN, actor=actor)
    said = {"kind": wanted.kind, "format": wanted.format, "raw": wanted.raw, "batch": wanted.batch}
    same = next((one for one in mine.filter(**said) if one.filters == wanted.error_filter.as_dict()), None)
    if same is not None:
        return same
    other = mine.first()
    if other is not None:
        raise ExportUnderWay(
            f"Your export {other.number} of batch {other.batch_id} is being made ({other.percent:g} %): "
            "wait for it, or cancel it."
        )
    made = record(wanted, actor=actor, user=user, state=S.QUEUED)
    transaction.on_commit(partial(send, made.pk))
    return made


def send(pk: int) -> None:
    """Word to the workers; the sweep repeats it."""
    tell_by_name("errors.tasks.make_export", pk)


def get(batch_id: str, number: int) -> Export:
    found = Export.objects.select_related("batch").filter(batch=batch_id, number=number).first()
    if found is None:
        raise UnknownExport(f"Batch {batch_id} has no export {number}.")
    return found


def cancel(batch_id: str, number: int, *, actor: str) -> Export:
    """Stop making it; one that is over stays as it is."""
    found = get(batch_id, number)
    over = {"state": S.CANCELLED, "note": f"Cancelled by {actor}.", "finished_at": timezone.now()}
    Export.objects.filter(pk=found.pk, state__in=Export.OPEN).update(**over)
    return get(batch_id, number)


def wanted_of(export: Export) -> Wanted:
    return Wanted(
        batch=export.batch,
        kind=export.kind,
        format=export.format,
        error_filter=ErrorFilter.from_query(export.filters),
        raw=export.raw,
        frozen_to=export.frozen_to,
        at=export.created_at,
    )


def opened(export: Export) -> Iterator[bytes]:
    """The blocks of a file that is ready."""
    if export.state in Export.OPEN:
        raise ExportNotReady(f"It is being made: {export.done:,} of {export.rows:,} rows stand in it.")
    if export.state != S.READY or (export.expires_at and export.expires_at <= timezone.now()):
        raise ExportGone("The file is gone: files are kept for a day. Ask for the export again.")
    try:
        file = (directory() / export.file).open("rb")
    except FileNotFoundError:
        raise ExportGone("The file is not on this machine any more. Ask for the export again.") from None
    return read(file)


def read(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK):
            yield block


# -- tidied up ---------------------------------------------------------------------------------------------------------


def delete(name: str) -> None:
    if name:
        (directory() / name).unlink(missing_ok=True)


def waiting() -> QuerySet[Export]:
    """Open ones that nobody holds."""
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lte=clock.now_sql())
    return Export.objects.filter(free, state__in=Export.OPEN)


def tidy() -> None:
    """Take away files whose time is over, and those that no row names."""
    for one in Export.objects.filter(state=S.READY, expires_at__lte=timezone.now()):
        if Export.objects.filter(pk=one.pk, state=S.READY).update(state=S.EXPIRED):
            delete(one.file)
    named = set(
        Export.objects.filter(state__in=(*Export.OPEN, S.READY)).exclude(file="").values_list("file", flat=True)
    )
    old = (timezone.now() - STRAY).timestamp()
    for path in directory().iterdir():
        if path.name not in named and path.stat().st_mtime < old:
            path.unlink(missing_ok=True)
