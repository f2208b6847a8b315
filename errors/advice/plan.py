"""The recovery plan: stop the bleeding, fix the settings, retry what can recover, set aside what cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from errors.advice.facts import Advice, Facts, Group, Prediction
from errors.advice.predictions import added, of_group
from errors.advice.rules import INPUT, not_before

CANARY = 20
LEAST_HOPE = 0.2
"""Groups whose best case is below this are not worth a canary."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: a verb with its parameters, what it costs, what it should bring."""

    kind: str
    title: str
    verb: str
    params: Mapping[str, Any]
    items: int = 0
    minutes: float = 0.0
    predicted: Prediction | None = None


def plan(facts: Facts, advice: Sequence[Advice]) -> list[Step]:
    """Ordered steps; each stands alone and may be left out."""
    again = retries(facts, held(advice))
    return [
        *(Step("stop", said.title, "pause", {}, said.items) for said in advice if said.verb == "pause"),
        *(
            Step("settings", said.title, "adjust", {"changes": said.params["changes"]}, said.items)
            for said in advice
            if said.verb == "adjust"
        ),
        *again,
        *(Step("hold", said.title, "hold", said.params, said.items) for said in advice if said.verb == "hold"),
        *corrections(facts),
        *resolutions(again),
    ]


def held(advice: Sequence[Advice]) -> set[str]:
    """Groups that some advice says not to retry."""
    return {str(said.params["group"]) for said in advice if said.verb in ("hold", "wait") and "group" in said.params}


def retries(facts: Facts, without: set[str]) -> list[Step]:
    """A retry a group, with a canary in front; those that recover most a minute come first."""
    groups = [group for group in hopeful(facts) if group.fingerprint not in without]
    steps = [
        Step(
            kind="retry",
            title=f"Try {min(CANARY, group.items):,} of {group.items:,} items, then the rest: {group.title}",
            verb="retry",
            params={"group": group.fingerprint, **not_before([group])},
            items=group.items,
            minutes=facts.minutes(group.items),
            predicted=of_group(group),
        )
        for group in groups
    ]
    return sorted(steps, key=lambda step: -gain(step))


def hopeful(facts: Facts) -> list[Group]:
    open_groups = [group for group in facts.groups if group.items and group.category not in INPUT]
    return [group for group in open_groups if of_group(group).high >= LEAST_HOPE * group.items]


def gain(step: Step) -> float:
    """Expected recoveries a minute; without a known duration, an item's share of them."""
    recovered = step.predicted.mid if step.predicted else 0
    return recovered / (step.minutes or step.items or 1)


def corrections(facts: Facts) -> list[Step]:
    items = sum(group.items for group in facts.of(*INPUT))
    if not items:
        return []
    return [Step("fix", f"Correct {items:,} rows, and submit them again", "fix", {"kind": "fix"}, items)]


def resolutions(again: Sequence[Step]) -> list[Step]:
    """What is retried is resolved if it does not fail so again."""
    names = [step.params["group"] for step in again]
    many = f"these {len(names):,} error groups" if len(names) > 1 else "this error group"
    title = f"Resolve {many} if no item of the retry fails in the same way"
    return [Step("resolve", title, "resolve", {"groups": names})] if names else []


def totals(facts: Facts, steps: Sequence[Step]) -> dict[str, Any]:
    """What the plan brings altogether, in numbers and in a line."""
    numbers = [number for number, step in enumerate(steps, 1) if step.kind == "retry"]
    parts = [step.predicted for step in steps if step.kind == "retry" and step.predicted]
    gained = added(parts) if parts else Prediction("items recovered", 0, 0, 0, "nothing is retried")
    corrected = sum(step.items for step in steps if step.kind == "fix")
    high = min(gained.high, facts.failed - corrected)
    unclear = max(0, facts.failed - corrected - gained.mid)
    by = f"step {numbers[0]}" if len(numbers) == 1 else f"steps {numbers[0]}-{numbers[-1]}" if numbers else ""
    recover = (
        f"~{gained.mid:,} ({gained.low:,}-{high:,}) should recover by {by}" if by else "none should recover by a retry"
    )
    line = f"{facts.failed:,} failed: {recover}, {corrected:,} need corrected input, {unclear:,} unclear"
    bounds = {"low": gained.low, "mid": gained.mid, "high": high}
    return {"failed": facts.failed, "recover": bounds, "corrected": corrected, "unclear": unclear, "line": line}
