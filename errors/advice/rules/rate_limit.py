"""Fewer at a time, if the other side turns us away."""

from __future__ import annotations

from dataclasses import replace

from errors.advice.facts import Advice, Facts, evidence
from errors.advice.rules.group_advice import LEAST_ERRORS, failed_attempts, group_advice, longest_wait

RULE = "rate_limit"
LEAST_SHARE = 0.01
"""Of all attempts, for the tested form."""


def rate_limit(facts: Facts) -> list[Advice]:
    groups = facts.of("rate_limit")
    errors = failed_attempts(groups)
    if not errors:
        return []
    target = min(facts.concurrency_target or max(1, facts.concurrency // 2), facts.concurrency)
    why = f"{errors:,} of {facts.attempts:,} attempts were turned away by a rate limit."
    if wait := max(group.asked_wait for group in groups):
        why += f" The other side asked to wait for up to {wait:,.0f} s: do not retry before that."
    if target == facts.concurrency:
        advice = group_advice(RULE, groups, facts, "Wait, then retry what was turned away", why, "low")
        return [replace(advice, params={**advice.params, **longest_wait(groups)})]
    tested = errors >= LEAST_ERRORS and errors >= LEAST_SHARE * facts.attempts
    confidence = ("strong" if facts.concurrency_target else "moderate") if tested else "low"
    title = f"Lower the concurrency from {facts.concurrency} to {target}, then retry what was turned away"
    counts = [evidence("attempts turned away", errors, facts.attempts)]
    advice = group_advice(RULE, groups, facts, title, why, confidence, verb="adjust", evidence=counts)
    retry = {**advice.params, **longest_wait(groups)}
    return [replace(advice, params={"changes": {"concurrency": target}, "retry": retry})]
