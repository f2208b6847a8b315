"""`batch start|pause|resume|cancel|adjust|decide`: how a batch goes on."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import datetime
from typing import Any

from batches import operations
from batches.command_line import COMMAND_LINE, Screen, reason_argument
from batches.engine.budget import BUDGETS
from batches.exceptions import InvalidInput
from batches.models import Batch
from batches.progress_tracker import get_progress
from batches.terminal.exit_codes import OK
from batches.terminal.given_moments import moment_or_none
from batches.terminal.watching import how_it_stands, show_progress
from batches.wording import quantity

FRACTIONS = ("rate", "item_timeout", "max_error_rate", "rate_limit_seconds")
"""Options that need not be whole numbers."""


def steer(options: Namespace, screen: Screen) -> int:
    """Start, pause or cancel: the operation has the verb's name."""
    operation = getattr(operations, options.command)
    batch = operation(options.id, actor=COMMAND_LINE, reason=options.reason)
    show_progress(screen, batch.pk, f"{batch.pk}: {how_it_stands(batch, get_progress(batch.pk))}")
    return OK


def budget_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--max-errors", metavar="N", help="failed items that halt the batch from now on, or none")
    parser.add_argument("--max-error-rate", metavar="PERCENT", help="the same as a share, or none")


def budget_of(options: Namespace) -> dict[str, Any]:
    """What the options say of the error budget."""
    texts = {name: getattr(options, name) for name in BUDGETS if getattr(options, name) is not None}
    return {name: number_of(name, text) for name, text in texts.items()}


def resume_arguments(parser: ArgumentParser) -> None:
    budget_arguments(parser)
    reason_argument(parser)


def resume(options: Namespace, screen: Screen) -> int:
    batch = operations.resume(options.id, actor=COMMAND_LINE, reason=options.reason, **budget_of(options))
    show_progress(screen, batch.pk, f"{batch.pk}: {how_it_stands(batch, get_progress(batch.pk))}")
    return OK


def adjust_arguments(parser: ArgumentParser) -> None:
    for name in operations.ADJUSTABLE:
        choices = Batch.Priority.values if name == "priority" else None
        metavar = None if choices else "N"
        parser.add_argument(
            f"--{name.replace('_', '-')}", metavar=metavar, choices=choices, help="as `batch run` has it"
        )
    reason_argument(parser)


def adjust(options: Namespace, screen: Screen) -> int:
    texts = {name: getattr(options, name) for name in operations.ADJUSTABLE if getattr(options, name) is not None}
    changes = {name: value_of(name, text) for name, text in texts.items()}
    batch = operations.adjust(options.id, actor=COMMAND_LINE, reason=options.reason, **changes)
    values = ", ".join(f"{name} {getattr(batch, name)}" for name in changes)
    show_progress(screen, options.id, f"{options.id}: {values}.")
    return OK


def value_of(name: str, text: str) -> int | float | str | datetime | None:
    """A limit as it was typed, `none` is no limit; a priority, or a time."""
    if name == "start_at":
        return moment_or_none_of(text)
    return text if name == "priority" else number_of(name, text)


def moment_or_none_of(text: str) -> datetime | None:
    try:
        return moment_or_none(text)
    except ArgumentTypeError as error:
        raise InvalidInput(f"--start-at: {error}") from None


def number_of(name: str, text: str) -> int | float | None:
    """A limit as it was typed; `none` is no limit."""
    if text.lower() == "none":
        return None
    try:
        return float(text) if "." in text or name in FRACTIONS else int(text)
    except ValueError:
        raise InvalidInput(f"--{name.replace('_', '-')} {text!r}: write a number, or none.") from None


def give_up(options: Namespace, screen: Screen) -> int:
    items = operations.give_up(options.id, actor=COMMAND_LINE, reason=options.reason)
    show_progress(screen, options.id, f"{options.id}: {quantity(items, 'item')} given up.")
    return OK


def decide_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("item", metavar="ITEM_KEY", help="the item that was called for")
    parser.add_argument("outcome", choices=sorted(operations.DECISIONS), help="what the other side did")
    reason_argument(parser)


def decide(options: Namespace, screen: Screen) -> int:
    item = operations.decide(options.id, options.item, options.outcome, actor=COMMAND_LINE, reason=options.reason)
    show_progress(screen, options.id, f"{options.id}: item {item.key}: {item.status.lower()}.")
    return OK
