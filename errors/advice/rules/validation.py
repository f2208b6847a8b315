"""Input that is refused is refused again: correct it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from batches.wording import number_agrees, quantity
from errors.advice.facts import Advice, Facts, GroupFacts, Prediction, evidence
from errors.advice.predictions import group_recoveries, total
from errors.advice.recurring import is_dominant
from errors.advice.remedies import Remedy, sure_findings, with_remedy
from errors.advice.rules.group_advice import LEAST_ERRORS, failed_attempts, failed_items, group_advice
from errors.detectors.conditions import are_circumstances
from errors.detectors.findings import EVERYTHING

RULE = "validation"
MANY_ITEMS = 20
FIELDS_NAMED = 3


def validation(facts: Facts) -> list[Advice]:
    groups = with_remedy(facts, Remedy.CORRECT)
    items, errors = failed_items(groups), failed_attempts(groups)
    if not errors:
        return []
    tested = errors >= LEAST_ERRORS or is_dominant(errors, facts.errors)
    confidence = ("strong" if items >= MANY_ITEMS else "moderate") if tested else "low"
    top = max(groups, key=lambda group: group.errors)
    why = (
        f"{quantity(errors, 'attempt')} at {quantity(items, 'item')} {number_agrees(errors, 'was', 'were')} refused as "
        f"invalid{', most of them' if len(groups) > 1 else ''}: {top.title}."
    )
    fields = fields_to_check(facts, groups, top)
    title = f"Check the format of {fields}, correct these rows, and submit them again"
    counts, none = [evidence("validation errors", errors, facts.errors)], recovered_unchanged(groups)
    return [group_advice(RULE, groups, facts, title, why, confidence, verb="fix", predicted=none, evidence=counts)]


def recovered_unchanged(groups: Sequence[GroupFacts]) -> Prediction:
    """As a retry without any correction is predicted."""
    retried = total([group_recoveries(group) for group in groups])
    return replace(retried, metric="items recovered if retried unchanged")


def fields_to_check(facts: Facts, groups: Sequence[GroupFacts], top: GroupFacts) -> str:
    """Fields that the messages name, or those that set the failures apart."""
    streams = {"validation", *(group.fingerprint for group in groups)}
    if len(groups) == len(facts.groups):  # nothing else failed: findings about any failure are about these
        streams.add(EVERYTHING)
    findings = (finding for finding in sure_findings(facts) if finding["stream"] in streams)
    telling = next((finding["where"]["fields"] for finding in findings if "fields" in finding["where"]), ())
    names = list(dict.fromkeys([*top.fields, *(name for name in telling if not are_circumstances([name]))]))
    return " and ".join(names[:FIELDS_NAMED]) if names else "the input"
