"""The recovery plan: stop the bleeding, fix the settings, retry what can recover, set aside what cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from errors.advice.facts import Advice, Facts, GroupFacts, Prediction
from errors.advice.predictions import group_recoveries, total
from errors.advice.rules.group_advice import longest_wait

INPUT_CATEGORIES = ("validation", "not_found", "defect", "auth")
"""Failures that no retry helps while the row, the code or the credentials are as they were."""
LEAST_RECOVERED = 0.2
"""Groups of which less than this share can be hoped for are not worth a canary."""


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


def plan(facts: Facts, advice: Sequence[Advice], *, canary: int) -> list[Step]:
    """Ordered steps; each stands alone and may be left out. `canary`: items of a group that are retried first."""
    by_verb = {verb: [piece for piece in advice if piece.verb == verb] for verb in ("pause", "adjust", "hold")}
    retries = retry_steps(facts, not_to_retry(advice), canary)
    return [
        *(Step("stop", stop.title, "pause", {}, stop.items) for stop in by_verb["pause"]),
        *(settings_step(adjustment) for adjustment in by_verb["adjust"]),
        *retries,
        *(Step("hold", hold.title, "hold", hold.params, hold.items) for hold in by_verb["hold"]),
        *correction_steps(facts),
        *resolution_steps(retries),
    ]


def settings_step(advice: Advice) -> Step:
    return Step("settings", advice.title, "adjust", {"changes": advice.params["changes"]}, advice.items)


def not_to_retry(advice: Sequence[Advice]) -> set[str]:
    """Fingerprints of groups that some advice says to hold or to wait for."""
    return {
        str(piece.params["group"]) for piece in advice if piece.verb in ("hold", "wait") and "group" in piece.params
    }


def retry_steps(facts: Facts, without: set[str], canary: int) -> list[Step]:
    """A retry a group, with a canary in front; those that recover most a minute come first."""
    steps = [
        Step(
            kind="retry",
            title=f"Try {min(canary, group.items):,} of {group.items:,} items, then the rest: {group.title}",
            verb="retry",
            params={"group": group.fingerprint, **longest_wait([group])},
            items=group.items,
            minutes=facts.minutes(group.items),
            predicted=group_recoveries(group),
        )
        for group in facts.groups
        if group.fingerprint not in without and is_worth_retrying(group)
    ]
    return sorted(steps, key=lambda step: -recovered_a_minute(step))


def is_worth_retrying(group: GroupFacts) -> bool:
    may_pass = group.items > 0 and group.category not in INPUT_CATEGORIES
    return may_pass and group_recoveries(group).high >= LEAST_RECOVERED * group.items


def recovered_a_minute(step: Step) -> float:
    """Expected recoveries a minute; without a known duration, the share of the items that recovers."""
    recovered = step.predicted.mid if step.predicted else 0
    return recovered / (step.minutes or step.items or 1)


def correction_steps(facts: Facts) -> list[Step]:
    items = sum(group.items for group in facts.of(*INPUT_CATEGORIES))
    if not items:
        return []
    return [Step("fix", f"Correct {items:,} rows, and submit them again", "fix", {"kind": "fix"}, items)]


def resolution_steps(retries: Sequence[Step]) -> list[Step]:
    """Groups that are retried are resolved if no item fails so again."""
    names = [step.params["group"] for step in retries]
    if not names:
        return []
    groups = f"these {len(names):,} error groups" if len(names) > 1 else "this error group"
    title = f"Resolve {groups} if no item of the retry fails in the same way"
    return [Step("resolve", title, "resolve", {"groups": names})]


def totals(facts: Facts, steps: Sequence[Step]) -> dict[str, Any]:
    """What the plan brings altogether, in numbers of items and in a line."""
    recovered = total([step.predicted for step in steps if step.kind == "retry" and step.predicted])
    corrected = sum(step.items for step in steps if step.kind == "fix")
    high = min(recovered.high, facts.failed - corrected)
    unclear = max(0, facts.failed - corrected - recovered.mid)
    numbers = [number for number, step in enumerate(steps, 1) if step.kind == "retry"]
    by_retries = "none should recover by a retry"
    if numbers:
        by = f"step {numbers[0]}" if len(numbers) == 1 else f"steps {numbers[0]}-{numbers[-1]}"
        by_retries = f"~{recovered.mid:,} ({recovered.low:,}-{high:,}) should recover by {by}"
    return {
        "failed": facts.failed,
        "recover": {"low": recovered.low, "mid": recovered.mid, "high": high},
        "corrected": corrected,
        "unclear": unclear,
        "line": f"{facts.failed:,} failed: {by_retries}, {corrected:,} need corrected input, {unclear:,} unclear",
    }
