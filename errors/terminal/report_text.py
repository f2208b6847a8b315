"""The error report for a terminal."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from batches import operations
from batches.command_line import Screen
from batches.terminal.exit_codes import OK
from batches.wording import quantity
from errors.error_analyzer import aggregate_errors
from errors.findings.counted import counted_text

GROUPS, ITEMS, WIDTH = 20, 10, 160


def show(options: Namespace, screen: Screen) -> int:
    """`batch errors ID`."""
    report = aggregate_errors(operations.get_batch(options.id).pk).to_dict()
    screen.answer(report, lines(report))
    return OK


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Groups, what they have in common, what to do about it, and the plan if there is one."""
    if not report["total_errors"]:
        yield f"{report['batch_id']}: no errors."
        return
    yield (
        f"{report['batch_id']}: {quantity(report['total_errors'], 'error')}, {report['error_rate']:g} "
        "for every 100 items."
    )
    yield from below("Groups", (group_line(group) for group in report["groups"][:GROUPS]))
    titles = {group["fingerprint"]: group["title"] for group in report["groups"]}
    yield from below("In common", (finding_line(finding, titles) for finding in report["findings"]))
    yield from below("Advice", (line for advice in report["advice"] for line in advice_lines(advice)))
    yield from below("Plan", (step_line(step) for step in report["recovery_plan"]))
    yield from below("Items that keep failing", (item_line(item) for item in report["problem_items"][:ITEMS]))


def below(heading: str, texts: Iterator[str]) -> Iterator[str]:
    """The texts under a heading; nothing without any."""
    if listed := list(texts):
        yield f"{heading}:"
        yield from (f"  {line}" for line in listed)


def group_line(group: dict[str, Any]) -> str:
    return (
        f"{group['errors']:>9,}  {group['fingerprint']}  {group['code']}: {group['title'][:WIDTH]} [{group['state']}]"
    )


def finding_line(finding: dict[str, Any], titles: dict[str, str]) -> str:
    """The sentence, how sure it is, and which failures it counts."""
    strength = "may be chance" if finding["confidence"] == "chance" else finding["confidence"]
    counted = counted_text(finding["stream"], titles)
    return f"{finding['sentence']} [{', '.join(filter(None, (strength, counted)))}]"


def advice_lines(advice: dict[str, Any]) -> Iterator[str]:
    """What to do, then why, what it should bring and what it brought."""
    yield f"{advice['number']}. {advice['title']} [{advice['confidence']}, {advice['state']}]"
    yield f"   {advice['why']}"
    if prediction := advice["predicted"]:
        yield f"   {prediction['metric']}: {prediction_text(prediction)}"
    if actual := advice["actual"]:
        yield f"   what came of it: {actual['recovered']:,} recovered, {actual['failed_again']:,} failed again"


def prediction_text(prediction: dict[str, Any]) -> str:
    interval = f"{prediction['low']:,}-{prediction['high']:,}"
    if prediction["mid"] is None:
        return f"{interval}, {prediction['basis']}"
    return f"{prediction['mid']:,} ({interval}); {prediction['basis']}"


def step_line(step: dict[str, Any]) -> str:
    return f"{step['step']}. {step['title'][:WIDTH]} [{step['state']}]"


def item_line(item: dict[str, Any]) -> str:
    return f"{item['errors']:>9,}  {item['item']}, in {item['different_errors']} ways"
