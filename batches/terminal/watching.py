"""`batch watch`, and how a batch is summed up once nobody works on it any more."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from django.db import Error as AnyDatabaseError
from django.db import connection

from batches import operations, progress_tracker
from batches.command_line import Screen
from batches.engine.budget import BUDGETS, holding_reason
from batches.engine.database_errors import first_line
from batches.engine.waiting_reasons import WaitingReasons
from batches.models import Batch
from batches.progress_text import standing_of, waits_because, waits_of
from batches.terminal.exit_codes import BROKE, OK, STOPPED, WITH_ERRORS
from batches.terminal.progress_bar import SECONDS_BETWEEN_LOOKS, ProgressBar

Status = Batch.Status


def watch(options: Namespace, screen: Screen) -> int:
    operations.get_batch(options.id)
    try:
        with ProgressBar(options.id, silent=screen.as_json) as update:
            while patiently(screen, lambda: operations.get_batch(options.id).status in Batch.ACTIVE):
                patiently(screen, update)
                time.sleep(SECONDS_BETWEEN_LOOKS)
            patiently(screen, lambda: update(True))
    except KeyboardInterrupt:
        screen.remark(f"No longer watching {options.id}; it goes on.")
        return STOPPED
    return sum_up(screen, options.id)


def patiently(screen: Screen, question: Callable[[], Any]) -> Any:
    """The database's answer, however long it is away."""
    away = False
    while True:
        try:
            return question()
        except AnyDatabaseError as error:
            if not away:
                screen.remark(f"The database is away, still watching: {first_line(error)}")
            away = True
            connection.close()
            time.sleep(1)


def sum_up(screen: Screen, batch_id: str) -> int:
    """How far the batch has come, why it stopped and how to go on; answers the exit code that says the same."""
    batch = operations.get_batch(batch_id)
    progress = progress_tracker.get_progress(batch_id)
    failed = progress.failed + progress.quarantined
    text = f"{batch_id}: {progress.done:,} of {progress.total_items:,} done, {failed:,} failed."
    text += f" {how_it_stands(batch, progress)}"
    if waits := waits_of(progress):
        text += f" {waits}"
    if batch.reason and batch.status in (Status.HALTED, Status.FAILED):
        text += f" {batch.reason}"
    show_progress(screen, batch_id, "\n".join(filter(None, [text, to_go_on(batch)])))
    return exit_code_of(batch, failed)


def how_it_stands(batch: Batch, progress: progress_tracker.Progress) -> str:
    """The status as people are shown it, and why the batch waits, if it does."""
    reasons = WaitingReasons()
    standing, because = standing_of(batch, progress, reasons), waits_because(batch, progress, reasons)
    return f"{standing.label}.{f' {because}' if because else ''}"


def to_go_on(batch: Batch) -> str:
    """The command by which a batch that stopped goes on; empty of any other."""
    if batch.status not in (Status.PAUSED, Status.PAUSING, Status.HALTED):
        return ""
    return f"To go on: manage.py batch resume {batch.pk}{budget_to_give(batch)}"


def budget_to_give(batch: Batch) -> str:
    """The options of `resume` without which a halted batch halts again; empty for any other."""
    reason = holding_reason(batch)
    return f" --{BUDGETS['%' in reason].replace('_', '-')} N|none" if reason else ""


def show_progress(screen: Screen, batch_id: str, text: str) -> None:
    """The text for people; with `--json` the batch's progress."""
    screen.answer(progress_tracker.get_progress(batch_id).to_dict(), [text])


def exit_code_of(batch: Batch, failed: int) -> int:
    if batch.status == Status.COMPLETED:
        return WITH_ERRORS if failed else OK
    return BROKE if batch.status == Status.FAILED else STOPPED
