"""`manage.py batch aside|bring-back|plan`: the desk's verbs upon items and upon the recovery plan, in a terminal."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from batches import operations
from batches.command_line import COMMAND_LINE, Screen, reason_argument
from batches.exceptions import InvalidInput
from batches.models import Quarantine
from batches.terminal.exit_codes import OK
from batches.wording import quantity
from errors.filters.conditions import position_range
from errors.recovery import plan_runs, plans
from errors.terminal import report_text

# -- items -------------------------------------------------------------------------------------------------------------


def quarantine_arguments(parser: ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--group", default="", metavar="FP", help="items that failed last in this error group")
    which.add_argument("--code", default="", help="items that failed with this code")
    which.add_argument("--positions", default="", metavar="FIRST-LAST", help="both included")
    which.add_argument("--item", action="append", default=[], metavar="KEY", help="can be given again")
    parser.add_argument("--count", type=int, metavar="N", help="refuse if it means another number of items")
    reason_argument(parser)


def quarantine(options: Namespace, screen: Screen) -> int:
    scope: dict[str, Any] = {"group": options.group, "code": options.code, "item_keys": options.item}
    if options.positions:
        scope["positions"] = list(position_range(options.positions))
    act = operations.quarantine(options.id, count=options.count, reason=options.reason, actor=COMMAND_LINE, **scope)
    done = f"{options.id}: {quantity(act.items, 'item')} set aside (no. {act.number})."
    back = f"To bring them back: manage.py batch bring-back {options.id} {act.number}"
    screen.answer(quarantine_document(act), [done, back])
    return OK


def quarantine_document(act: Quarantine) -> Any:
    from batches.rest.serializers import QuarantineSerializer  # with all of REST: not at every command's start

    return QuarantineSerializer(act).data


def release_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("number", type=int, metavar="NUMBER", help="as `batch aside` named it")
    reason_argument(parser)


def release(options: Namespace, screen: Screen) -> int:
    act = operations.release(options.id, options.number, reason=options.reason, actor=COMMAND_LINE)
    screen.answer(quarantine_document(act), [f"{options.id}: what was set aside under no. {act.number} is back."])
    return OK


# -- the plan ----------------------------------------------------------------------------------------------------------


def plan_arguments(parser: ArgumentParser) -> None:
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--new", action="store_true", help="work it out anew")
    does.add_argument("--run", action="store_true", help="do its steps whenever the batch is at rest")
    does.add_argument("--pause", action="store_true", help="begin no further step")
    does.add_argument("--cancel", action="store_true", help="leave out the steps that have not begun")
    reason_argument(parser)


def plan(options: Namespace, screen: Screen) -> int:
    """The plan as it is stored; `--run` works one out if there is none yet."""
    verb = next((name for name in plan_runs.VERBS if getattr(options, name)), "")
    is_there = plans.show(options.id)["at"] is not None
    if options.new or (verb == "run" and not is_there):
        plans.make(options.id, actor=COMMAND_LINE)
    elif verb and not is_there:
        raise InvalidInput(f"Batch {options.id} has no recovery plan: work one out with --new.")
    if verb:
        plan_runs.VERBS[verb](options.id, actor=COMMAND_LINE, reason=options.reason)
    document = plans.show(options.id)
    screen.answer(document, plan_lines(document))
    return OK


def plan_lines(document: Mapping[str, Any]) -> list[str]:
    batch_id, steps = document["batch_id"], document["steps"]
    if document["at"] is None:
        return [f"{batch_id}: no plan is worked out yet. To do so: manage.py batch plan {batch_id} --new"]
    head = f"{batch_id}: the plan is {document['state']}. {document['note'] or document['totals'].get('line', '')}"
    notes = (f" {step['note']}" if step["note"] else "" for step in steps)
    lines = (f"  {report_text.step_line(step)}{note}" for step, note in zip(steps, notes, strict=True))
    return [head.rstrip(), *lines]
