"""`batch run`, `batch rehearse` and `batch worker`: what works on batches in this terminal."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from time import sleep
from typing import Any

from batches import operations
from batches.command_line import COMMAND_LINE, Screen
from batches.engine import presence, rehearsals, runner
from batches.intake.readers import FORMATS_TEXT
from batches.lanes import global_pause
from batches.lifecycle import removals, transitions, waiting_for_room
from batches.models import Batch
from batches.moments import in_reader_zone
from batches.operations.submission import OPTIONS
from batches.progress_text import starts_at
from batches.terminal.exit_codes import OK, STOPPED, WITH_ERRORS
from batches.terminal.file_options import file_arguments, file_options, opened
from batches.terminal.given_moments import moment_of
from batches.terminal.given_params import params_of
from batches.terminal.interrupts import PauseOnInterrupt
from batches.terminal.progress_bar import ProgressBar
from batches.terminal.watching import show_progress, sum_up
from batches.wording import quantity

SHOWN_GROUPS, GROUP_WIDTH = 20, 160
BETWEEN_LOOKS = 1.0  # seconds, while a full disk has stopped the batch


def run_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("processor", metavar="PROCESSOR", help="the name it is registered by")
    parser.add_argument("file", metavar="FILE", help=f"{FORMATS_TEXT} - is standard input")
    parser.add_argument("--id", default="", help="the batch's id; the same id and content is submitted once")
    parser.add_argument("--name", default="", help="what people call the batch")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="K=V",
        help="K=@FILE reads the value from a file; given again for a parameter of several values",
    )
    parser.add_argument("--key-column", default="", help="the column that names a row")
    file_arguments(parser)
    parser.add_argument("--concurrency", type=int, metavar="N", help="lanes that work side by side")
    parser.add_argument("--checkpoint-every", type=int, metavar="N", help="items of a chunk, 50 at most")
    parser.add_argument("--max-attempts", type=int, metavar="N", help="tries of an item that may be retried")
    parser.add_argument("--item-timeout", type=float, metavar="SECONDS", help="how long an item may take")
    parser.add_argument("--max-errors", type=int, metavar="N", help="failed items that halt the batch")
    parser.add_argument("--max-error-rate", type=float, metavar="PERCENT", help="the same as a share")
    parser.add_argument("--rate-limit-attempts", type=int, metavar="N", help="rate-limited tries before an item fails")
    parser.add_argument("--rate-limit-seconds", type=float, metavar="SECONDS", help="the same by time")
    parser.add_argument("--rate", type=float, metavar="ITEMS_PER_SECOND", help="no faster than that")
    parser.add_argument("--priority", choices=Batch.Priority.values, help="whose turn it is first; normal unless said")
    start_arguments(parser)


def start_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--start-at",
        type=moment_of,
        metavar="TIME",
        help="start by itself then: ISO 8601 with its zone, 2026-11-28T02:00+01:00",
    )
    parser.add_argument("--rehearse", action="store_true", help="run everything and roll it back: what would happen?")
    parser.add_argument("--sample", type=int, metavar="N", help="rehearse N items, chosen at random")
    parser.add_argument("--detach", action="store_true", help="leave the running to the portal's worker")


def run(options: Namespace, screen: Screen) -> int:
    return go_on(submitted(options), options, screen)


def run_again_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--id", dest="new_id", default="", help="the new batch's id; the same again is the same batch")
    parser.add_argument("--name", default="", help="what people call the new batch")
    start_arguments(parser)


def run_again(options: Namespace, screen: Screen) -> int:
    submission = operations.run_again(
        options.id, new_id=options.new_id, name=options.name, start_at=options.start_at, actor=COMMAND_LINE
    )
    return go_on(submission, options, screen)


def go_on(submission: operations.Submission, options: Namespace, screen: Screen) -> int:
    """Rehearse the batch, run it here, or leave it to the portal's worker, as the options say."""
    batch = submission.batch
    for note in batch.source.get("notes", ()):
        screen.remark(in_reader_zone(note, batch.created_at))
    if options.rehearse:
        return rehearse_here(options, screen, batch.pk)
    batch = operations.start_stored(batch, at=options.start_at, actor=COMMAND_LINE)
    if batch.status == Batch.Status.PENDING:
        show_progress(screen, batch.pk, f"{batch.pk}: {quantity(batch.total_items, 'item')} stored. {starts_at(batch)}")
        return OK
    if options.detach:
        show_progress(screen, batch.pk, f"{batch.pk}: {quantity(batch.total_items, 'item')} queued.")
        return OK
    if not submission.created:
        screen.remark(f"{batch.pk} was submitted before with the same content; going on with it.")
    return run_here(screen, batch.pk)


def submitted(options: Namespace) -> operations.Submission:
    with opened(options.file) as (file, filename):
        return operations.submit(
            processor=options.processor,
            params=params_of(options.processor, options.param),
            file=file,
            filename=filename,
            batch_id=options.id,
            name=options.name,
            key_column=options.key_column,
            file_options=file_options(options),
            actor=COMMAND_LINE,
            **{name: getattr(options, name) for name in OPTIONS},
        )


def run_here(screen: Screen, batch_id: str) -> int:
    paused, shown = PauseOnInterrupt(batch_id, screen.remark), ProgressBar(batch_id, silent=screen.as_json)
    with presence.at_work(), paused as pause, shown as update:
        runner.work_until_idle(batch_id, should_stop=pause.should_stop, on_chunk=update)
        while waits_for_room(screen, batch_id, pause.should_stop):
            runner.work_until_idle(batch_id, should_stop=pause.should_stop, on_chunk=update)
        update(True)
    return sum_up(screen, batch_id)


def waits_for_room(screen: Screen, batch_id: str, should_stop: Callable[[], bool]) -> bool:
    """Whether a full disk had stopped the batch, and it goes on now: nobody else may be there to look for room."""
    if not waiting_for_room.goes_on_by_itself(batch_id):
        return False
    screen.remark(f"{operations.get_batch(batch_id).reason} This command waits for that.")
    while waiting_for_room.goes_on_by_itself(batch_id) and not should_stop():
        transitions.settle(batch_id)
        if batch_id not in waiting_for_room.resume_stopped():
            sleep(BETWEEN_LOOKS)
    return not should_stop()


def rehearse_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--sample", type=int, metavar="N", help="N items, chosen at random")


def rehearse(options: Namespace, screen: Screen) -> int:
    operations.get_batch(options.id)
    return rehearse_here(options, screen, options.id)


def rehearse_here(options: Namespace, screen: Screen, batch_id: str) -> int:
    rehearsal = operations.rehearse(batch_id, sample=options.sample, actor=COMMAND_LINE, wake=False)
    while rehearsals.work(rehearsal.pk):
        pass
    report = operations.get_rehearsal(batch_id, rehearsal.number).to_dict()
    screen.answer(report, rehearsal_lines(batch_id, report))
    return WITH_ERRORS if report["failed"] else OK


def rehearsal_lines(batch_id: str, report: dict[str, Any]) -> list[str]:
    lines = [
        f"{batch_id}: rehearsed {report['done']:,} of {quantity(report['items'], 'item')}, "
        f"{report['failed']:,} would fail. "
        "Nothing was changed."
    ]
    for group in report["groups"][:SHOWN_GROUPS]:
        lines.append(f"  {group['count']:>9,}  {group['code']}: {group['title'][:GROUP_WIDTH]}")
    if operations.get_batch(batch_id).status == Batch.Status.PENDING:
        lines.append(f"To run it: manage.py batch start {batch_id}, or batch run with --id {batch_id}")
    return lines


def work(options: Namespace, screen: Screen) -> int:
    with presence.at_work():
        runner.work_until_idle()
        removals.work()
    pauses = global_pause.notices()
    for notice in pauses:
        screen.remark(notice.text)
    if screen.as_json:
        screen.document({"idle": not pauses})
    return STOPPED if pauses else OK
