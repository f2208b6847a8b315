"""What comes back batch after batch has a cause that no retry removes."""

from __future__ import annotations

from errors.advice.facts import Advice, Facts, GroupFacts, Prediction, evidence
from errors.advice.recurring import HISTORY_BATCHES, is_recurring


def recurring(facts: Facts) -> list[Advice]:
    by_errors = sorted(facts.groups, key=lambda group: -group.errors)
    return [comes_back(group, facts.history.batches) for group in by_errors if is_recurring(group.batches_seen_in)]


def comes_back(group: GroupFacts, batches: int) -> Advice:
    why = f"Seen in {group.batches_seen_in} of the last {batches} batches, first at {group.first_seen}."
    why += f" {group.owner} is on it." if group.owner else " Nobody is on it."
    why += f" Last note: {group.last_note}" if group.last_note else ""
    usual = Prediction(
        "errors avoided a batch", 0, group.usual_errors, 2 * group.usual_errors, "the median of those batches"
    )
    return Advice(
        rule="recurring",
        subject=group.fingerprint,
        title=f"It comes back batch after batch; have somebody find out why: {group.title}",
        why=why,
        confidence="moderate",
        verb="assign",
        params={"group": group.fingerprint},
        items=group.items,
        weight=group.errors,
        predicted=usual,
        evidence=[evidence("batches seen in", group.batches_seen_in, HISTORY_BATCHES)],
    )
