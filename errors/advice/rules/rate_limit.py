"""Fewer at a time, if the other side turns us away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from batches.wording import quantity
from errors.advice.facts import Advice, Facts, GroupFacts, alternative, evidence
from errors.advice.remedies import largest
from errors.advice.rules.group_advice import LEAST_ERRORS, failed_attempts, failed_items, group_advice, longest_wait

RULE = "rate_limit"
CONNECTIONS = re.compile(
    r"too many (clients|connections)|connection slots|max_client_conn|max_user_connections"
    r"|QueuePool limit|connection pool|\b53300\b|ORA-(000(18|20)|125(16|18|19|20))",
    re.I,
)
"""What is said where not the pace is limited, but how many are connected."""
LEAST_SHARE = 0.01
"""Of all attempts, for the tested form."""


def rate_limit(facts: Facts) -> list[Advice]:
    groups = facts.of("rate_limit")
    errors = failed_attempts(groups)
    if not errors:
        return []
    target = min(facts.concurrency_target or max(1, facts.concurrency // 2), facts.concurrency)
    why = f"{errors:,} of {quantity(facts.attempts, 'attempt')} {turned_away(groups)}"
    if wait := max(group.asked_wait for group in groups):
        why += f" The other side asked to wait for up to {wait:,.0f} s: do not retry before that."
    if target == facts.concurrency and facts.parallel > 1:
        return [fewer_calls(facts, groups, why)]
    if target == facts.concurrency:
        advice = group_advice(RULE, groups, facts, "Wait, then retry what was turned away", why, "low")
        return [replace(advice, params={**advice.params, **longest_wait(groups)})]
    tested = errors >= LEAST_ERRORS and errors >= LEAST_SHARE * facts.attempts
    confidence = ("strong" if facts.concurrency_target else "moderate") if tested else "low"
    title = f"Lower the concurrency from {facts.concurrency} to {target}"
    if failed_items(groups):
        title += ", then retry what was turned away"
    counts = [evidence("attempts turned away", errors, facts.attempts)]
    advice = group_advice(RULE, groups, facts, title, why, confidence, verb="adjust", evidence=counts)
    retry = {**advice.params, **longest_wait(groups)}
    return [replace(advice, params={"changes": {"concurrency": target}, "retry": retry})]


def turned_away(groups: Sequence[GroupFacts]) -> str:
    """How, by the largest of the groups."""
    if CONNECTIONS.search(largest(groups).title):
        return "found no connection free: the limit of the database or pool is reached. Each lane needs one or more."
    return "were turned away by a rate limit."


def fewer_calls(facts: Facts, groups: Sequence[GroupFacts], why: str) -> Advice:
    """In one lane the calls side by side are the processor's own number: its author changes it."""
    calls = max(1, facts.parallel // 2)
    title = f"Lower the calls side by side of the processor (parallel) from {facts.parallel} to {calls}, or set a rate"
    if failed_items(groups):
        title += ", then retry what was turned away"
    else:
        why += " All of them came right in the end; the next batch need not be turned away."
    counts = [evidence("attempts turned away", failed_attempts(groups), facts.attempts)]
    advice = group_advice(RULE, groups, facts, title, why, "moderate", verb="wait", evidence=counts)
    again = alternative("Retry what was turned away", "retry", **advice.params, **longest_wait(groups))
    return replace(advice, alternatives=[again] if failed_items(groups) else [])
