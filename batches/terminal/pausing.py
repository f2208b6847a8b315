"""`batch pause-all` and `batch lift`: the pause of everything."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from batches import operations
from batches.command_line import COMMAND_LINE, Screen
from batches.lanes import global_pause
from batches.terminal.exit_codes import OK


def pause_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, help="why; everybody who waits sees it")


def pause_all(options: Namespace, screen: Screen) -> int:
    operations.pause_everything(actor=COMMAND_LINE, reason=options.reason)
    return show(screen, "")


def lift(options: Namespace, screen: Screen) -> int:
    operations.lift(actor=COMMAND_LINE, reason=options.reason)
    return show(screen, "Lifted: batches go on as they were.")


def show(screen: Screen, text: str) -> int:
    """What is so now; the text where nothing is paused."""
    pause = global_pause.in_force()
    document = {"paused": pause is not None, "reason": pause.reason if pause else ""}
    screen.answer(document, [notice.text for notice in global_pause.notices()] or [text])
    return OK
