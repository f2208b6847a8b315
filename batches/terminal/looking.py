"""`batch list`, `batch show` and `batch verify`: what changes nothing."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import Any

from batches import operations, progress_tracker
from batches.command_line import Screen
from batches.engine.waiting_reasons import WaitingReasons
from batches.extensions import current_notices
from batches.models import Batch, Item
from batches.progress_text import sentence_of, standing_of, starts_at, unfinished_text, waits_because
from batches.redaction import redact
from batches.terminal.exit_codes import OK, WITH_ERRORS
from batches.terminal.watching import to_go_on

SHOWN_FAILURES, MESSAGE_WIDTH = 20, 160


def list_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--status",
        choices=[status.lower() for status in Batch.Status.values],
        help="only these; archived ones are listed by this alone",
    )
    parser.add_argument("--limit", type=int, default=50, help="as many at most")


def list_batches(options: Namespace, screen: Screen) -> int:
    batches = Batch.objects.exclude(status=Batch.Status.ARCHIVED)
    if options.status:
        batches = Batch.objects.filter(status=options.status.upper())
    listed = list(batches[: max(0, options.limit)])
    progress = progress_tracker.progress_of(listed)
    if screen.as_json:
        screen.document([progress[batch.pk].to_dict() | {"name": batch.name} for batch in listed])
        return OK
    reasons = WaitingReasons()
    labels = [standing_of(batch, progress[batch.pk], reasons).label.lower() for batch in listed]
    width = max([10, *map(len, labels)])
    for batch, label in zip(listed, labels, strict=True):
        screen.line(batch_line(batch, progress[batch.pk], f"{label:<{width}}"))
    if not listed:
        screen.line("There are no batches.")
    for notice in current_notices():
        screen.line(notice.text)
    return OK


def batch_line(batch: Batch, progress: progress_tracker.Progress, label: str) -> str:
    failed = progress.failed + progress.quarantined
    waiting = f", {progress.waiting:,} waiting" if progress.waiting else ""
    waiting += "  STUCK" if progress.stuck else ""
    starts = f"  {at}" if (at := starts_at(batch)) else ""
    return (
        f"{batch.pk:<40} {label} {progress.done_percent:>5} %  "
        f"{progress.done:>9,} of {progress.total_items:,}  {failed:,} failed{waiting}{starts}"
    )


def show(options: Namespace, screen: Screen) -> int:
    batch = operations.get_batch(options.id)
    progress = progress_tracker.get_progress(batch.pk)
    failed = Item.objects.filter(batch=batch, failed_at__isnull=False).order_by("position")[:SHOWN_FAILURES]
    if screen.as_json:
        screen.document(progress.to_dict() | batch_document(batch, failed))
        return OK
    reasons = WaitingReasons()
    stands = waits_because(batch, progress, reasons) or batch.reason or sentence_of(batch, progress, reasons=reasons)
    screen.line(f"{batch.pk}  {standing_of(batch, progress, reasons).label}  {stands}")
    if remedy := to_go_on(batch):
        screen.line(remedy)
    screen.line(f"{progress.done:,} of {progress.total_items:,} done, {left_of(batch, progress)}:")
    for name in ("completed", "failed", "skipped", "quarantined"):
        screen.line(f"  {getattr(progress, name):>9,} {name}")
    for item in failed:
        screen.line(f"  {item.key}: {item.code}: {item.message[:MESSAGE_WIDTH]}")
    return OK


def left_of(batch: Batch, progress: progress_tracker.Progress) -> str:
    """What has no outcome: to go, or for good."""
    if batch.status in Batch.CLOSED and progress.remaining:
        return unfinished_text(batch, progress).rstrip(".")
    return f"{progress.remaining:,} to go{waiting_of(progress)}"


def waiting_of(progress: progress_tracker.Progress) -> str:
    return f", {progress.waiting:,} of them waiting for their next try" if progress.waiting else ""


def batch_document(batch: Batch, failed: Iterable[Item]) -> dict[str, Any]:
    names = ("key", "position", "code", "message")
    failures = [{name: getattr(item, name) for name in names} | {"payload": redact(item.payload)} for item in failed]
    return {
        "name": batch.name,
        "reason": batch.reason,
        "legal_verbs": operations.legal_verbs(batch),
        "failures": failures,
    }


def verify(options: Namespace, screen: Screen) -> int:
    broken = operations.verify(options.id)
    document = {"batch_id": options.id, "ok": not broken, "broken": broken}
    screen.answer(document, broken or [f"{options.id}: every promise holds."])
    return WITH_ERRORS if broken else OK
