"""More time where attempts were about to end; never where they hang."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from batches.wording import quantity
from errors.advice.facts import Advice, Facts, GroupFacts, Prediction, alternative, evidence
from errors.advice.posterior import outcome
from errors.advice.remedies import Remedy, largest, with_remedy
from errors.advice.rules.group_advice import LEAST_ERRORS, failed_attempts, failed_items, group_advice
from errors.advice.timeouts import Verdict
from errors.detectors.findings import percent

RULE = "timeout"
LIMITS_OF_OTHERS = (
    (
        re.compile(
            r"statement timeout|max_execution_time|maximum statement execution time|user requested cancel", re.I
        ),
        "the time limit of the database for a statement",
    ),
    (re.compile(r"gateway time-?out|\b504\b|\b524\b", re.I), "the time limit of a gateway in between"),
)
"""What messages say whose limit it was."""
TOO_HIGH, TOO_LOW = 0.15, 0.3
"""How far the share that would end is off at most, where some attempts hang, and where durations have a thin tail."""


def timeout(facts: Facts) -> list[Advice]:
    groups = [group for group in with_remedy(facts, Remedy.TIME) if group.category == "timeout"]
    errors = failed_attempts(groups)
    if not errors:
        return []
    counts = [evidence("attempts timed out", errors, facts.attempts)]
    if whose := next((whose for words, whose in LIMITS_OF_OTHERS if words.search(largest(groups).title)), ""):
        return [limit_of_another(facts, groups, counts, whose)]
    if errors < LEAST_ERRORS or facts.timeout_verdict is None:
        why = f"{quantity(errors, 'attempt')} ran out of time; too few to tell whether more of it would help."
        return [group_advice(RULE, groups, facts, "Probe the timeouts with a few items", why, "low")]
    if facts.timeout_seconds and facts.timeout_seconds[1] < facts.item_timeout / 2:
        return [not_the_limit(facts, groups, counts, facts.timeout_seconds)]
    if facts.timeout_verdict.kind == "hang":
        return [quarantine_advice(facts, groups, counts)]
    return [more_time(facts, groups, facts.timeout_verdict, counts)]


def limit_of_another(
    facts: Facts, groups: Sequence[GroupFacts], counts: Sequence[dict[str, Any]], whose: str
) -> Advice:
    """The message names whose limit it was: it is not the portal's."""
    why = f"{quantity(failed_attempts(groups), 'attempt')} were cut off by {whose}: another limit here changes nothing."
    title = f"Look at what takes so long, or at {whose}, then try a few of them"
    return group_advice(RULE, groups, facts, title, why, "weak", evidence=counts)


def not_the_limit(
    facts: Facts, groups: Sequence[GroupFacts], counts: Sequence[dict[str, Any]], took: tuple[float, float]
) -> Advice:
    """They ended long before the portal's limit: whatever they called gave up."""
    spread = f"{took[0]:.2g} to {took[1]:.2g} s"
    why = (
        f"Most of the {failed_attempts(groups):,} timeouts took {spread}, far from the limit of "
        f"{facts.item_timeout:g} s: what they call gave up, and another limit here changes nothing."
    )
    title = "Look at what the items call, then try a few of them"
    return group_advice(RULE, groups, facts, title, why, "weak", evidence=counts)


def quarantine_advice(facts: Facts, groups: Sequence[GroupFacts], counts: Sequence[dict[str, Any]]) -> Advice:
    """Attempts hang: more time would not help."""
    limit, errors = facts.item_timeout, failed_attempts(groups)
    title = "Do not raise the time limit: set these items aside, and look at what they wait for"
    why = f"Nothing that takes over half of the {limit:g} s ends at all: the {errors:,} timeouts hang."
    none = Prediction("items recovered", 0, 0, 0, "no success in the second half of the limit")
    advice = group_advice(RULE, groups, facts, title, why, "moderate", verb="hold", predicted=none, evidence=counts)
    probe = alternative("Try five of them first", "retry", **advice.params, canary=5, needed=5)
    return replace(advice, alternatives=[probe])


def more_time(facts: Facts, groups: Sequence[GroupFacts], verdict: Verdict, counts: Sequence[dict[str, Any]]) -> Advice:
    """Twice the limit, or as near to it as the lease allows; what it brings shrinks with it."""
    errors, limit = failed_attempts(groups), facts.item_timeout
    longer = 2 * limit if 2 * limit < facts.timeout_bound else float(ceil(facts.timeout_bound) - 1)
    why = (
        f"Of {errors:,} timeouts at {limit:g} s, {percent(verdict.share)} should end within {2 * limit:g} s, "
        "as fast as the others thin out."
    )
    if longer <= limit:
        title = f"More than {limit:g} s would help, and needs a longer lease: raise PORTAL_LEASE_SECONDS"
        return group_advice(RULE, groups, facts, title, why, "weak", verb="wait", evidence=counts)
    title = f"Raise the time limit from {limit:g} s to {longer:g} s, and try a few of them"
    confidence = "moderate" if verdict.kind == "tight" else "weak"
    more = recovered(groups, verdict.share * min(1.0, (longer - limit) / limit))
    advice = group_advice(RULE, groups, facts, title, why, confidence, verb="adjust", predicted=more, evidence=counts)
    return replace(advice, params={"changes": {"item_timeout": longer}, "retry": advice.params})


def recovered(groups: Sequence[GroupFacts], share: float) -> Prediction:
    """When that share of the timeouts ends within the longer limit."""
    items, errors = failed_items(groups), failed_attempts(groups)
    bounds = (max(0.0, share - TOO_HIGH), share, min(1.0, share + TOO_LOW))
    low, mid, high = (outcome(items, errors * bound, errors) for bound in bounds)
    basis = "the shares still running at a quarter, half and the limit"
    return Prediction("items recovered", low[0], mid[1], high[2], basis)
