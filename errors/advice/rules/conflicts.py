"""Conflicts: a deadlock passes when it is retried, a duplicate does not."""

from __future__ import annotations

from dataclasses import replace

from batches.wording import quantity
from errors.advice.facts import Advice, Facts, evidence
from errors.advice.remedies import Remedy, cause_of_all, is_of_payload, with_remedy
from errors.advice.rules.group_advice import LEAST_ERRORS, failed_attempts, failed_items, group_advice


def deadlock(facts: Facts) -> list[Advice]:
    groups = [group for group in with_remedy(facts, Remedy.RETRY) if group.category == "conflict" and group.errors]
    if not groups:
        return []
    errors = failed_attempts(groups)
    cause = cause_of_all(groups, facts, is_of_payload)
    why = f"{quantity(errors, 'attempt')} met somebody else at the same rows: that passes."
    if cause:
        why += f" {cause['sentence']} Fewer lanes meet less often."
    confidence = "strong" if errors >= LEAST_ERRORS else "low"
    counts = [evidence("attempts in conflict", errors, facts.errors)]
    advice = group_advice("deadlock", groups, facts, "Retry them: a deadlock passes", why, confidence, evidence=counts)
    return [replace(advice, findings=[str(cause["text"])] if cause else [])]


def duplicate(facts: Facts) -> list[Advice]:
    groups = [group for group in with_remedy(facts, Remedy.DUPLICATE) if group.errors]
    items, errors = failed_items(groups), failed_attempts(groups)
    if not groups:
        return []
    why = f"{quantity(errors, 'attempt')} met something that exists already: a retry would be refused again."
    if 2 * items >= facts.tried > 0:
        why += " Was the same file run before?"
    title = f"Set aside what exists already: {quantity(items, 'item')}"
    confidence = "strong" if errors >= LEAST_ERRORS else "low"
    counts = [evidence("attempts that met a duplicate", errors, facts.errors)]
    return [
        group_advice("duplicate", groups, facts, title, why, confidence, verb="hold", evidence=counts),
    ]
