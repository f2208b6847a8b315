"""Errors of which nothing is known: a few that are tried tell more than any guess."""

from __future__ import annotations

from dataclasses import replace

from batches.wording import quantity
from errors.advice.facts import Advice, Facts, evidence
from errors.advice.remedies import Remedy, cause_of_all, is_of_payload, largest, with_remedy
from errors.advice.rules.group_advice import failed_attempts, group_advice

RULE = "unknown"
FIELDS_NAMED = 3


def unknown(facts: Facts) -> list[Advice]:
    groups = [group for group in with_remedy(facts, Remedy.RETRY) if group.category == "unknown" and group.items]
    if not groups or cause_of_all(groups, facts, is_of_payload):
        return []
    main, errors = largest(groups), failed_attempts(groups)
    fields = " and ".join(main.fields[:FIELDS_NAMED])
    look = f"Look at {fields} of a few items, then try them" if fields else "Look at a few items, then try them"
    why = f"{quantity(errors, 'attempt')} failed in ways of which no rule knows anything, most of them: {main.title}."
    counts = [evidence("attempts that failed so", errors, facts.errors)]
    advice = group_advice(RULE, groups, facts, look, why, "low", evidence=counts)
    return [replace(advice, weight=errors)]
