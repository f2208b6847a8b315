"""What comes back batch after batch has a cause that no retry removes."""

from __future__ import annotations

from errors.advice.facts import Advice, Facts, GroupFacts, Prediction, evidence
from errors.advice.recurring import HISTORY_BATCHES, is_recurring

LEAST_OF_ONE_GROUP = 3
"""Errors of one group, from which on the plain form names it."""


def recurring(facts: Facts) -> list[Advice]:
    by_errors = sorted(facts.groups, key=lambda group: -group.errors)
    advice = [comes_back(group, facts.history.batches) for group in by_errors if is_recurring(group.batches_seen_in)]
    if not advice and by_errors and by_errors[0].errors >= LEAST_OF_ONE_GROUP:
        top = by_errors[0]
        why = f"{top.errors:,} of the batch's {facts.errors:,} errors are the same: {top.title}."
        return [find_root_cause(top, why, "low")]
    return advice


def comes_back(group: GroupFacts, batches: int) -> Advice:
    why = f"Seen in {group.batches_seen_in} of the last {batches} batches, first at {group.first_seen}."
    why += f" {group.owner} is on it." if group.owner else " Nobody is on it."
    why += f" Last note: {group.last_note}" if group.last_note else ""
    usual = Prediction(
        "errors avoided a batch", 0, group.usual_errors, 2 * group.usual_errors, "the median of those batches"
    )
    return find_root_cause(group, why, "moderate", usual)


def find_root_cause(group: GroupFacts, why: str, confidence: str, predicted: Prediction | None = None) -> Advice:
    return Advice(
        rule="recurring",
        subject=group.fingerprint,
        title=f"Find the root cause of: {group.title}",
        why=why,
        confidence=confidence,
        verb="assign",
        params={"group": group.fingerprint},
        items=group.items,
        weight=group.errors,
        predicted=predicted,
        evidence=[evidence("batches seen in", group.batches_seen_in, HISTORY_BATCHES)],
    )
