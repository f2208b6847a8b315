"""`manage.py batch aside|bring-back|plan`: the desk's verbs upon items and upon the recovery plan, in a terminal."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from batches import operations
from batches.command_line import COMMAND_LINE, Screen
from batches.exceptions import InvalidInput
from batches.models import Aside
from batches.rest.serializers import AsideSerializer
from batches.terminal.exit_codes import OK
from errors.filters.conditions import position_range
from errors.recovery import plan_runs, plans
from errors.terminal import report_text

# -- items -------------------------------------------------------------------------------------------------------------


def aside_arguments(parser: ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--group", default="", metavar="FP", help="items that failed last in this error group")
    which.add_argument("--code", default="", help="items that failed with this code")
    which.add_argument("--positions", default="", metavar="FIRST-LAST", help="both included")
    which.add_argument("--item", action="append", default=[], metavar="KEY", help="can be given again")
    parser.add_argument("--count", type=int, metavar="N", help="refuse if it means another number of items")
    parser.add_argument("--reason", default="", help="why; it is shown in the history")


def set_aside(asked: Namespace, screen: Screen) -> int:
    scope: dict[str, Any] = {"group": asked.group, "code": asked.code, "item_keys": asked.item}
    if asked.positions:
        scope["positions"] = list(position_range(asked.positions))
    made = operations.set_aside(asked.id, count=asked.count, reason=asked.reason, actor=COMMAND_LINE, **scope)
    back = f"To bring them back: manage.py batch bring-back {asked.id} {made.number}"
    return show_quarantine(screen, made, f"{asked.id}: {made.items:,} items set aside (no. {made.number}).\n{back}")


def back_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("number", type=int, metavar="NUMBER", help="as `batch aside` told it")
    parser.add_argument("--reason", default="", help="why; it is shown in the history")


def bring_back(asked: Namespace, screen: Screen) -> int:
    made = operations.bring_back(asked.id, asked.number, reason=asked.reason, actor=COMMAND_LINE)
    return show_quarantine(screen, made, f"{asked.id}: what was set aside under no. {made.number} is back.")


def show_quarantine(screen: Screen, made: Aside, text: str) -> int:
    if screen.as_json:
        screen.document(AsideSerializer(made).data)
    else:
        screen.line(text)
    return OK


# -- the plan ----------------------------------------------------------------------------------------------------------


def plan_arguments(parser: ArgumentParser) -> None:
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--new", action="store_true", help="work it out anew")
    does.add_argument("--run", action="store_true", help="do its steps whenever the batch is at rest")
    does.add_argument("--pause", action="store_true", help="begin no further step")
    does.add_argument("--cancel", action="store_true", help="leave out the steps that have not begun")
    parser.add_argument("--reason", default="", help="why; it is shown in the history")


def plan(asked: Namespace, screen: Screen) -> int:
    """The plan as it is stored; `--run` works one out if there is none yet."""
    verb = next((name for name in plan_runs.VERBS if getattr(asked, name)), "")
    there = plans.show(asked.id)["at"] is not None
    if asked.new or (verb == "run" and not there):
        plans.make(asked.id, actor=COMMAND_LINE)
    elif verb and not there:
        raise InvalidInput(f"Batch {asked.id} has no recovery plan: work one out with --new.")
    if verb:
        plan_runs.VERBS[verb](asked.id, actor=COMMAND_LINE, reason=asked.reason)
    document = plans.show(asked.id)
    if screen.as_json:
        screen.document(document)
    else:
        screen.lines(plan_lines(document))
    return OK


def plan_lines(said: dict[str, Any]) -> list[str]:
    if said["at"] is None:
        return [
            f"{said['batch_id']}: no plan is worked out yet. To do so: manage.py batch plan {said['batch_id']} --new"
        ]
    head = f"{said['batch_id']}: the plan is {said['state']}. {said['note'] or said['totals'].get('line', '')}".rstrip()
    notes = {step["step"]: f" {step['note']}" if step["note"] else "" for step in said["steps"]}
    return [head, *(f"  {report_text.step_line(step)}{notes[step['step']]}" for step in said["steps"])]
