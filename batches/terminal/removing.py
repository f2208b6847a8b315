"""`batch delete` and `batch archive`: a batch at rest goes, for good."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from time import sleep
from typing import Any

from batches import operations
from batches.command_line import COMMAND_LINE, Screen, reason_argument
from batches.exceptions import InvalidInput
from batches.lifecycle import removals
from batches.models import Removal
from batches.operations import RemovalPlan
from batches.terminal.exit_codes import OK, WITH_ERRORS
from batches.wording import quantity

SECONDS_BETWEEN_LOOKS = 0.2


def remove_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where nobody can answer")
    parser.add_argument("--no-wait", action="store_true", help="leave it to the workers")
    reason_argument(parser)


def remove(options: Namespace, screen: Screen) -> int:
    """The operation has the verb's name; this process does it, together with whatever worker does."""
    plan = operations.removal_plan(options.id, options.command)
    if options.dry_run:
        screen.answer(plan_document(plan), plan_lines(plan))
        return OK
    if not options.yes:
        ask(plan, screen)
    removal = getattr(operations, options.command)(options.id, actor=COMMAND_LINE, reason=options.reason)
    if not options.no_wait:
        removal = finished(removal)
    screen.answer(removal_document(removal), [removal_line(removal)])
    return WITH_ERRORS if removal.state == Removal.State.REFUSED else OK


def finished(removal: Removal) -> Removal:
    """The removal once it is over."""
    remover = removals.Remover()
    while removal.state == Removal.State.RUNNING:
        if not remover.step(removal.pk):
            sleep(SECONDS_BETWEEN_LOOKS)  # a worker is at it, or it is over
        removal.refresh_from_db()
    return removal


def ask(plan: RemovalPlan, screen: Screen) -> None:
    """Raises `InvalidInput` unless a person at a terminal says yes."""
    if screen.as_json or not sys.stdin.isatty():
        raise InvalidInput(f"{plan.kind} cannot be undone: say --yes, or look first with --dry-run.")
    screen.lines(plan_lines(plan))
    if input(f"{plan.kind.capitalize()} {plan.batch.pk}, for good? [y/N] ").strip().lower() not in ("y", "yes"):
        raise InvalidInput("Nothing was done.")


def plan_lines(plan: RemovalPlan) -> list[str]:
    rows = [f"  {n:>13,} {noun}" for noun, n in plan.contents.items()]
    head = f"{plan.batch.pk}: {plan.kind} would remove, with about {plan.database_bytes:,} bytes of the database:"
    return [head, *rows, *plan.remarks, *filter(None, [plan.refusal])]


def plan_document(plan: RemovalPlan) -> dict[str, Any]:
    return {
        "batch_id": plan.batch.pk,
        "kind": plan.kind,
        "contents": dict(plan.contents),
        "database_bytes": plan.database_bytes,
        "remarks": list(plan.remarks),
        "refusal": plan.refusal,
    }


def removal_document(removal: Removal) -> dict[str, Any]:
    return {
        "number": removal.pk,
        "batch_id": removal.batch_id,
        "kind": removal.kind,
        "state": removal.state,
        "percent": removal.percent,
        "items": removal.removed_items,
        "note": removal.note,
    }


def removal_line(removal: Removal) -> str:
    if removal.note:
        return f"{removal.batch_id}: {removal.note}"
    participle = removals.PARTICIPLES[Removal.Kind(removal.kind)]
    if removal.state == Removal.State.RUNNING:
        return f"{removal.batch_id}: being {participle}, {removal.percent} %."
    return f"{removal.batch_id}: {participle}, {quantity(removal.removed_items, 'item')}."
