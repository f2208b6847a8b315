"""So many items fail that the input, or the way it runs, wants a look before more of it runs."""

from __future__ import annotations

from batches.proportions import wilson
from batches.wording import quantity
from errors.advice.facts import Advice, Facts, Prediction, alternative, evidence
from errors.advice.recurring import spike
from errors.advice.remedies import Remedy, sure_findings, with_remedy
from errors.detectors.findings import percent

LEAST_TRIED = 30
HIGH_RATE, PLAINLY_HIGH_RATE = 0.10, 0.5
"""Shares of items that fail: the tested form's, above which Wilson's lower bound must lie, and the plain one's."""


def high_rate(facts: Facts) -> list[Advice]:
    low, _ = wilson(facts.failed, facts.tried)
    tested = facts.tried >= LEAST_TRIED and low > HIGH_RATE
    if not tested and not (facts.tried and facts.failed / facts.tried > PLAINLY_HIGH_RATE):
        return []
    return [review(facts, confidence=("strong" if low > 2 * HIGH_RATE else "moderate") if tested else "low")]


def review(facts: Facts, confidence: str) -> Advice:
    top = next(sure_findings(facts), None)
    return Advice(
        rule="high_rate",
        subject="batch",
        title=title_of(facts),
        why=f"{how_high(facts)} {top['sentence'] if top else ''}".strip(),
        confidence=confidence,
        verb="pause" if facts.active else "fix" if is_about_input(facts) else "wait",
        params={"kind": "fix"} if not facts.active and is_about_input(facts) else {},
        items=facts.failed,
        weight=facts.failed,
        predicted=at_risk(facts),
        evidence=[evidence("items failed", facts.failed, facts.tried)],
        findings=[str(top["text"])] if top else [],
        alternatives=[alternative("Correct what failed so far", "fix", kind="fix")] if is_rows_at_risk(facts) else [],
    )


def is_about_input(facts: Facts) -> bool:
    """Whether most of the failed items wait for corrected rows, as far as anything is known of them."""
    corrected = sum(group.items for group in with_remedy(facts, Remedy.CORRECT))
    return 2 * corrected >= sum(group.items for group in facts.groups)


def is_rows_at_risk(facts: Facts) -> bool:
    return facts.active and is_about_input(facts)


def title_of(facts: Facts) -> str:
    if facts.active:
        return "Pause, and review the input" if is_about_input(facts) else "Pause until the cause is removed"
    if is_about_input(facts):
        return "Review the input before it is run again"
    return "Run nothing like it again before the causes are removed"


def how_high(facts: Facts) -> str:
    rate = percent(facts.failed / facts.tried)
    sentence = f"{facts.failed:,} of the {quantity(facts.tried, 'item')} tried failed ({rate})."
    if spike(facts.failed, facts.tried, facts.history.rates) == "yes":
        sentence += f" That is more than twice the worst of the last {facts.history.batches} batches."
    return sentence


def at_risk(facts: Facts) -> Prediction:
    """How many of the items still to come would fail at this rate."""
    low, high = wilson(facts.failed, facts.tried)
    rest, basis = facts.remaining, "the failure rate so far"
    mid = round(rest * facts.failed / facts.tried)
    return Prediction("items still at risk", round(rest * low), mid, round(rest * high), basis)
