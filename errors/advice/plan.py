"""The recovery plan: stop the bleeding, set aside what cannot pass, retry what may, and say what waits for people.

Each failed item has one act: a step takes its items, and what is left is for the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from batches.canary_sizes import canary_of
from batches.wording import quantity
from errors.advice.facts import Advice, Facts, GroupFacts, Prediction
from errors.advice.predictions import recoveries_of
from errors.advice.remedies import REPAIRED_BY_PEOPLE, RETRIED, Remedy, remedy_of, subjects_of
from errors.advice.rules.group_advice import longest_wait, scaled

GROUPS_NAMED = 3
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


@dataclass(slots=True)
class Ledger:
    """Failed items that no step has taken yet, by group."""

    facts: Facts
    left: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.left = {group.fingerprint: group.items for group in self.facts.groups}

    def take(self, groups: Iterable[GroupFacts], most: int) -> int:
        """Take up to `most` items of these groups; returns how many there were."""
        taken = 0
        for group in groups:
            n = min(self.left[group.fingerprint], most - taken)
            self.left[group.fingerprint] -= n
            taken += n
        return taken

    def of(self, group: GroupFacts) -> int:
        return self.left[group.fingerprint]


def plan(facts: Facts, advice: Sequence[Advice]) -> list[Step]:
    """Ordered steps; each stands alone and may be left out. What a person has ignored is left alone."""
    ignored = {group.fingerprint for group in facts.groups if group.is_ignored}
    advice = [piece for piece in advice if subject_of(piece) not in ignored]
    facts = replace(facts, groups=[group for group in facts.groups if not group.is_ignored])
    ledger = Ledger(facts)
    by_verb = {verb: [piece for piece in advice if piece.verb == verb] for verb in ("pause", "adjust", "hold", "wait")}
    held = [step for piece in by_verb["hold"] if (step := hold_step(piece, ledger))]
    waits = {str(piece.params["group"]) for piece in by_verb["wait"] if "group" in piece.params}
    retries = [*window_steps(advice, ledger), *retry_steps(facts, advice, waits, ledger)]
    return [
        *(Step("stop", stop.title, "pause", {}, stop.items) for stop in by_verb["pause"]),
        *(settings_step(adjustment) for adjustment in by_verb["adjust"] if adjustment.items),
        *held,
        *retries,
        *correction_steps(facts, ledger),
        *repair_steps(facts, by_verb["wait"], ledger),
        *resolution_steps(retries, {group.fingerprint: group.title for group in facts.groups}),
    ]


def subject_of(advice: Advice) -> str:
    """Which failures the advice is about, where it is about those of one kind: a group's fingerprint or a category."""
    return str(advice.params["group"]) if "group" in advice.params else advice.subject.partition(": ")[0]


def settings_step(advice: Advice) -> Step:
    return Step("settings", advice.title, "adjust", {"changes": advice.params["changes"]}, advice.items)


# -- set aside ---------------------------------------------------------------------------------------------------------


def hold_step(advice: Advice, ledger: Ledger) -> Step | None:
    """None where other acts have its items already, or will: rows that can be corrected are."""
    groups = groups_of(advice, ledger.facts)
    if advice.rule == "attribute" and groups and remedy_of(groups[0], ledger.facts) == Remedy.CORRECT:
        return None
    taken = ledger.take(groups, advice.items)
    return Step("hold", advice.title, "hold", advice.params, taken) if taken or not groups else None


def groups_of(advice: Advice, facts: Facts) -> Sequence[GroupFacts]:
    """The groups whose items it sets aside; none where nobody knows."""
    if "group" in advice.params:
        return [group for group in facts.groups if group.fingerprint == advice.params["group"]]
    if "item_keys" in advice.params:
        prints = {problem.fingerprint for problem in facts.problems}
        return [group for group in facts.groups if group.fingerprint in prints]
    findings = (finding for finding in facts.findings if finding["text"] in advice.findings)
    return next((subjects_of(finding, facts) for finding in findings), [])


# -- retried -----------------------------------------------------------------------------------------------------------


def window_steps(advice: Sequence[Advice], ledger: Ledger) -> Iterator[Step]:
    """A window that is over is retried by itself, with the figures of its advice."""
    for piece in advice:
        if piece.verb != "retry" or "matching" not in piece.params:
            continue
        findings = (finding for finding in ledger.facts.findings if finding["text"] in piece.findings)
        subjects = next((subjects_of(finding, ledger.facts) for finding in findings), [])
        if ledger.take([group for group in subjects if is_retried(group, ledger.facts)], piece.items):
            yield Step("retry", piece.title, "retry", piece.params, piece.items, piece.minutes, piece.predicted)


def is_retried(group: GroupFacts, facts: Facts) -> bool:
    return remedy_of(group, facts) in RETRIED


def retry_steps(facts: Facts, advice: Sequence[Advice], waits: set[str], ledger: Ledger) -> Iterator[Step]:
    """A retry a group, with a canary in front; those that recover most a minute come first."""
    steps = [retry_step(group, facts, advice, ledger) for group in facts.groups if is_retried(group, facts)]
    worth = [step for step in steps if step is not None and step.params["group"] not in waits]
    for step in sorted(worth, key=lambda step: -recovered_a_minute(step)):
        group = next(group for group in facts.groups if group.fingerprint == step.params["group"])
        ledger.take([group], step.items)
        yield step


def retry_step(group: GroupFacts, facts: Facts, advice: Sequence[Advice], ledger: Ledger) -> Step | None:
    """None where nothing can be hoped for, or the engine would leave all of them out."""
    items = min(ledger.of(group), group.items - group.permanent)
    if items <= 0:
        return None
    predicted = prediction_of(group, items, advice)
    if predicted.high < LEAST_RECOVERED * items:
        return None
    canary = canary_of(items)
    first = (
        f"Try {canary:,} of {quantity(items, 'item')}, then the rest"
        if items > canary
        else f"Try {quantity(items, 'item')}"
    )
    return Step(
        kind="retry",
        title=f"{first}: {group.title}",
        verb="retry",
        params={"group": group.fingerprint, **longest_wait([group])},
        items=items,
        minutes=facts.minutes(items),
        predicted=predicted,
    )


def prediction_of(group: GroupFacts, items: int, advice: Sequence[Advice]) -> Prediction:
    """What the advice about the group says, where a change of settings is part of it; else by the group's past."""
    changed = (piece for piece in advice if piece.verb == "adjust" and piece.predicted)
    for piece in changed:
        if piece.params.get("retry", {}).get("group") == group.fingerprint and piece.predicted:
            return scaled(piece.predicted, items, piece.items)
    return recoveries_of(group.category, items, group.evidence)


def recovered_a_minute(step: Step) -> float:
    """Expected recoveries a minute; without a known duration, the share of the items that recovers."""
    recovered = (step.predicted.mid or 0) if step.predicted else 0
    return recovered / (step.minutes or step.items or 1)


# -- for people --------------------------------------------------------------------------------------------------------


def correction_steps(facts: Facts, ledger: Ledger) -> Iterator[Step]:
    groups = [group for group in facts.groups if remedy_of(group, facts) == Remedy.CORRECT]
    if items := ledger.take(groups, facts.failed):
        yield Step("fix", f"Correct {quantity(items, 'row')}, and submit them again", "fix", {"kind": "fix"}, items)


def repair_steps(facts: Facts, advice: Sequence[Advice], ledger: Ledger) -> Iterator[Step]:
    """What somebody has to mend before a retry helps, as the advice says it."""
    for remedy in REPAIRED_BY_PEOPLE:
        groups = [group for group in facts.groups if remedy_of(group, facts) == remedy]
        title = next((piece.title for piece in advice if is_about(piece, remedy)), "")
        if title and (items := ledger.take(groups, facts.failed)):
            yield Step("repair", title, "wait", {}, items)


def is_about(advice: Advice, remedy: Remedy) -> bool:
    return advice.rule == (remedy.value if remedy != Remedy.HOST else "attribute")


def resolution_steps(retries: Sequence[Step], titles: Mapping[str, str]) -> list[Step]:
    """Groups that are retried are resolved if no item fails so again; `titles` names them."""
    names = [step.params["group"] for step in retries if "group" in step.params]
    if not names:
        return []
    named = ", ".join(f"“{titles[name]}”" for name in names[:GROUPS_NAMED])
    more = f" and {len(names) - GROUPS_NAMED:,} more" if len(names) > GROUPS_NAMED else ""
    title = f"Resolve {named}{more} if no item of the retry fails in the same way"
    return [Step("resolve", title, "resolve", {"groups": names})]
