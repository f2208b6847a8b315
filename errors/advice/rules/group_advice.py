"""Advice about the error groups of a category, and how many errors a tested form of a rule needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from errors.advice.facts import Advice, Facts, GroupFacts, Prediction
from errors.advice.predictions import group_recoveries

LEAST_ERRORS = 5
SURE = ("strong", "moderate")
"""Confidence of findings that a rule builds upon."""


def failed_items(groups: Sequence[GroupFacts]) -> int:
    """Items that failed finally."""
    return sum(group.items for group in groups)


def failed_attempts(groups: Sequence[GroupFacts]) -> int:
    return sum(group.errors for group in groups)


def group_advice(
    rule: str,
    groups: Sequence[GroupFacts],
    facts: Facts,
    title: str,
    why: str,
    confidence: str,
    *,
    verb: str = "retry",
    predicted: Prediction | None = None,
    evidence: Sequence[Mapping[str, Any]] = (),
) -> Advice:
    """The largest of the groups is the one acted upon first; the recovery plan has a step for each."""
    largest = max(groups, key=lambda group: (group.items, group.errors))
    items = failed_items(groups)
    if verb in ("retry", "adjust"):
        predicted = scaled(predicted, largest.items, items) if predicted else group_recoveries(largest)
        items = largest.items
    return Advice(
        rule=rule,
        subject=rule,
        title=title,
        why=why,
        confidence=confidence,
        verb=verb,
        params={"group": largest.fingerprint},
        items=items,
        weight=failed_attempts(groups),
        minutes=facts.minutes(items),
        predicted=predicted,
        evidence=evidence,
    )


def scaled(whole: Prediction, part: int, of: int) -> Prediction:
    """Of a prediction for `of` items, the part that falls to `part` of them."""
    low, mid, high = (round(bound * part / of) if of else 0 for bound in (whole.low, whole.mid, whole.high))
    return Prediction(whole.metric, low, mid, high, whole.basis)


def longest_wait(groups: Sequence[GroupFacts]) -> dict[str, int]:
    """The parameter of a retry that waits as long as the other side asked, in seconds; empty if it did not ask."""
    wait = max(group.asked_wait for group in groups)
    return {"after": ceil(wait)} if wait else {}
