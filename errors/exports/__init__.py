"""Exports on record: each one leaves a row; what is too long for a download becomes a file that a worker writes
(`errors.exports.file_writer`) and that is kept for a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from batches.conf import settings
from batches.exceptions import BatchError
from batches.lanes import leased_rows
from batches.models import Batch
from batches.numbering import next_number
from batches.waking import enqueue_by_name
from batches.wording import quantity
from errors.exports import files
from errors.exports.exporters import EXPORTERS
from errors.exports.request import ExportRequest
from errors.models import Export

FILE_KEPT_FOR = timedelta(days=1)


class UnknownExport(BatchError):
    """The batch has no export of that number."""


class ExportGone(BatchError):
    """The file is not there any more."""


class ExportNotReady(BatchError):
    """There is no whole file yet."""


class ExportUnderWay(BatchError):
    """The same person's other large export is being made: one at a time."""


# -- requested ---------------------------------------------------------------------------------------------------------


def needs_background(export_request: ExportRequest) -> bool:
    """Whether a worker writes the file: sooner for a format of which nothing can be sent before all of it is made."""
    download_limit: int = settings.PORTAL_EXPORT_ROWS
    if not EXPORTERS[export_request.format].streams:
        download_limit = min(download_limit, settings.PORTAL_EXPORT_XLSX_ROWS)
    return export_request.row_count > download_limit


def record(
    export_request: ExportRequest, *, actor: str, user: Any = None, state: str = Export.State.STREAMED
) -> Export:
    """Store who requests what, under the batch's next number."""
    batch, rows = export_request.batch, export_request.row_count  # counted before the batch's row is held
    with transaction.atomic():
        Batch.objects.select_for_update().only("pk").get(pk=batch.pk)
        return Export.objects.create(
            batch=batch,
            number=next_number(batch.exports),
            kind=export_request.kind,
            format=export_request.format,
            filters=export_request.error_filter.as_dict(),
            raw=export_request.raw,
            rows=rows,
            frozen_to=export_request.frozen_to,
            state=state,
            user=user,
            actor=actor,
            finished_at=timezone.now() if state == Export.State.STREAMED else None,
        )


def begin(export_request: ExportRequest, *, actor: str, user: Any = None) -> Export:
    """Have a worker write the file. A request equal to the actor's open export returns that one.

    Raises `ExportUnderWay` while another export of the actor's is open.
    """
    open_exports = Export.objects.filter(state__in=Export.OPEN, actor=actor)
    same = next((export for export in open_exports if export_request.asks_for(export)), None)
    if same is not None:
        return same
    if other := open_exports.first():
        raise ExportUnderWay(
            f"Your export {other.number} of batch {other.batch_id} is being made ({other.percent:g} %): "
            "wait for it, or cancel it."
        )
    export = record(export_request, actor=actor, user=user, state=Export.State.QUEUED)
    transaction.on_commit(partial(enqueue, export.pk))
    return export


def enqueue(pk: int) -> None:
    """Send the export to the workers; the sweep repeats it."""
    enqueue_by_name("errors.tasks.make_export", pk)


def get(batch_id: str, number: int) -> Export:
    export = Export.objects.select_related("batch").filter(batch=batch_id, number=number).first()
    if export is None:
        raise UnknownExport(f"Batch {batch_id} has no export {number}.")
    return export


def cancel(batch_id: str, number: int, *, actor: str) -> Export:
    """Stop an open export; one that is over stays as it is."""
    export = get(batch_id, number)
    cancelled = {
        "state": Export.State.CANCELLED,
        "note": f"Cancelled by {actor}.",
        "finished_at": timezone.now(),
    }
    Export.objects.filter(pk=export.pk, state__in=Export.OPEN).update(**cancelled)
    return get(batch_id, number)


def file_blocks(export: Export) -> Iterator[bytes]:
    """The finished file. Raises `ExportNotReady` before it is whole, `ExportGone` after its day."""
    if export.state in Export.OPEN:
        raise ExportNotReady(f"It is being made: {export.done:,} of {quantity(export.rows, 'row')} stand in it.")
    if export.state != Export.State.READY or (export.expires_at and export.expires_at <= timezone.now()):
        raise ExportGone("The file is gone: files are kept for a day. Ask for the export again.")
    try:
        return files.FileBlocks(files.directory() / export.file)
    except FileNotFoundError:
        raise ExportGone("The file is not on this machine any more. Ask for the export again.") from None


# -- tidied up ---------------------------------------------------------------------------------------------------------


def waiting() -> QuerySet[Export]:
    """Open exports that no worker holds."""
    return Export.objects.filter(leased_rows.has_no_lease(), state__in=Export.OPEN)


def expire() -> None:
    """Expire exports whose day is over; delete their files, and old files that no export names."""
    ready = Export.objects.filter(state=Export.State.READY)
    for export in ready.filter(expires_at__lte=timezone.now()):
        if ready.filter(pk=export.pk).update(state=Export.State.EXPIRED):
            files.delete(export.file)
    named = Export.objects.filter(state__in=(*Export.OPEN, Export.State.READY)).exclude(file="")
    files.delete_strays(set(named.values_list("file", flat=True)))
