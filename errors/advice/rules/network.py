"""Is the outage over? Then retry exactly what it hit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from batches.proportions import wilson
from batches.wording import quantity
from errors.advice.facts import Advice, Facts, GroupFacts, evidence
from errors.advice.predictions import recoveries
from errors.advice.remedies import Remedy, cause_of_all, is_of_payload, largest, sure_findings, with_remedy
from errors.advice.rules.group_advice import LEAST_ERRORS, failed_attempts, failed_items, group_advice
from errors.detectors.findings import EVERYTHING

RULE = "network"
LEAST_TRIED_AFTER = 20
"""Items tried since the outage, before it may be called over."""


@dataclass(frozen=True, slots=True)
class Look:
    """What to look at first where messages match `words`; `why` says what happened to so many attempts."""

    act: str
    why: str
    words: re.Pattern[str] = re.compile("")


LOOKS = (
    Look(
        "Check the host name, and the DNS that the workers ask",
        "{errors} found no address for the name of the host.",
        re.compile(
            r"name or service not known|name resolution|getaddrinfo|(could not|cannot|failed to) resolve|gaierror"
            r"|nodename nor servname|no such host|no address associated|translate host name|ENOTFOUND|EAI_AGAIN"
            r"|\[Errno (-[235]|1100[124])\]|ORA-12154",
            re.I,
        ),
    ),
    Look(
        "Check which database server takes writes: this one is a standby, or a failover is under way",
        "{errors} wanted to write to a database that only reads.",
        re.compile(r"read[- ]?only|\b25006\b|ORA-16000", re.I),
    ),
    Look(
        "Check that both sides speak the same TLS: port, version, ciphers",
        "{errors} ended before the TLS handshake was done.",
        re.compile(r"handshake|WRONG_VERSION|UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_CIPHERS|UNKNOWN_CA", re.I),
    ),
    Look("Check connectivity", "{errors} could not reach the other side, or were answered with its errors."),
)
"""The first that matches; the last always does."""


def network(facts: Facts) -> list[Advice]:
    groups = [group for group in with_remedy(facts, Remedy.RETRY) if group.category in ("network", "upstream")]
    errors = failed_attempts(groups)
    if not errors:
        return []
    counts = [evidence("connection and upstream errors", errors, facts.errors)]
    look = look_of(largest(groups))
    window = window_of(facts, groups)
    if window is None or errors < LEAST_ERRORS:
        title = f"{look.act}, then try a few of them"
        why = look.why.format(errors=quantity(errors, "attempt"))
        if cause := cause_of_all(groups, facts, is_of_payload):
            why += f" {cause['sentence']}"
        confidence = "weak" if errors >= LEAST_ERRORS else "low"
        return [group_advice(RULE, groups, facts, title, why, confidence, evidence=counts)]
    after, failed_after, failed_in_any_way = tried_after(window)
    inside, size = int(window["failed"]), int(window["size"])
    counts.append(evidence("failed after it, and in it", failed_after, after, inside, size, window["p"]))
    if is_over(after, failed_in_any_way, inside / size):
        return [retry_window(facts, groups, window, counts)]
    title = f"Wait, then try a few of what failed in {window['text']}"
    why = f"{window['sentence']} Since then {failures_since(window)}: it may not be over."
    if look != LOOKS[-1]:
        why += f" {look.act}."
    advice = group_advice(RULE, groups, facts, title, why, "weak", evidence=counts)
    return [replace(advice, findings=[str(window["text"])])]


def look_of(group: GroupFacts) -> Look:
    words = f"{group.error_type} {group.title}"
    return next(look for look in LOOKS if look.words.search(words))


def tried_after(window: Any) -> tuple[int, int, int]:
    """Items tried since the window, how many of them failed in this way, and how many in any."""
    where = window["where"]
    return int(where["after"]), int(where["after_failed"]), int(where.get("after_failed_any", where["after_failed"]))


def failures_since(window: Any) -> str:
    """`3 of 40 failed`; where others failed in another way, `3 of 40 failed so, 20 in any way`."""
    after, failed_after, failed_in_any_way = tried_after(window)
    if failed_in_any_way == failed_after:
        return f"{failed_after:,} of {after:,} failed"
    return f"{failed_after:,} of {after:,} failed so, {failed_in_any_way:,} in any way"


def retry_window(facts: Facts, groups: Sequence[GroupFacts], window: Any, counts: Sequence[dict[str, Any]]) -> Advice:
    """Exactly the items of the window, where a scope names them; else the largest group."""
    after, failed_after, failed_in_any_way = tried_after(window)
    still_failed = int(window.get("still", 0))
    title = f"It looks over: retry {'exactly ' if still_failed else ''}what failed in {window['text']}"
    why = f"{window['sentence']} Since then {failed_after:,} of {after:,} failed."
    basis = f"{failed_in_any_way:,} of {after:,} failed after it, in any way"
    back = recoveries(still_failed or failed_items(groups), after - failed_in_any_way, after, basis)
    confidence = str(window["confidence"])
    advice = group_advice(RULE, groups, facts, title, why, confidence, predicted=back, evidence=counts)
    advice = replace(advice, findings=[str(window["text"])])
    if not still_failed:
        return advice
    minutes = facts.minutes(still_failed)
    return replace(advice, params=window["scope"], items=still_failed, minutes=minutes, predicted=back)


def is_over(after: int, failed_in_any_way: int, failing_inside: float) -> bool:
    """Enough was tried since, and fails far less than in the window; `failing_inside` is a share.

    What fails otherwise counts too: it may never have come as far as the other side.
    """
    return after >= LEAST_TRIED_AFTER and wilson(failed_in_any_way, after)[1] < failing_inside / 2


def window_of(facts: Facts, groups: Sequence[GroupFacts]) -> Any:
    """A hot range or time in which these failures lie."""
    streams = {group.fingerprint for group in groups} | {group.category for group in groups}
    if len(groups) == len(facts.groups):  # nothing else failed: findings about any failure are about these
        streams.add(EVERYTHING)
    findings = (finding for finding in sure_findings(facts) if finding["stream"] in streams)
    return next((finding for finding in findings if "after" in finding["where"]), None)
