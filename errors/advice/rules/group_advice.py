"""Advice about the error groups of a category, and how many errors a tested form of a rule needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from errors.advice.facts import Advice, Facts, GroupFacts, Prediction
from errors.advice.predictions import group_recoveries
from errors.advice.remedies import largest

LEAST_ERRORS = 5


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
    main = largest(groups)
    items = failed_items(groups)
    if verb in ("retry", "adjust"):
        predicted = scaled(predicted, main.items, items) if predicted else group_recoveries(main)
        items = main.items
    return Advice(
        rule=rule,
        subject=rule,
        title=title,
        why=why,
        confidence=confidence,
        verb=verb,
        params={"group": main.fingerprint},
        items=items,
        weight=failed_attempts(groups),
        minutes=facts.minutes(items),
        predicted=predicted,
        evidence=evidence,
    )


def scaled(whole: Prediction, part: int, of: int) -> Prediction:
    """Of a prediction for `of` items, the part that falls to `part` of them."""
    share = part / of if of else 0
    mid = None if whole.mid is None else round(whole.mid * share)
    return Prediction(whole.metric, round(whole.low * share), mid, round(whole.high * share), whole.basis)


def longest_wait(groups: Sequence[GroupFacts]) -> dict[str, int]:
    """The parameter of a retry that waits as long as the other side asked, in seconds; empty if it did not ask."""
    wait = max(group.asked_wait for group in groups)
    return {"after": ceil(wait)} if wait else {}
