"""Items that share a value fail: set them aside, run the rest, retry after the fix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from errors.advice.facts import Advice, Facts, Prediction, evidence
from errors.advice.remedies import (
    REPAIRED_BY_PEOPLE,
    Remedy,
    is_of_payload,
    is_place_of_run,
    remedy_of,
    subjects_of,
    sure_findings,
)
from errors.detectors.findings import percent

RULE = "attribute"
PASSING = (Remedy.SLOWER, Remedy.TIME, Remedy.DUPLICATE)
"""Whatever sets such failures apart, it is not what has to be set aside."""
PASSING_CATEGORIES = ("conflict", "network", "upstream")
REPAIRS = tuple(remedy for remedy in REPAIRED_BY_PEOPLE if remedy != Remedy.HOST)
"""Advice of their own names the attribute."""


def attribute(facts: Facts) -> list[Advice]:
    advice = [about_items(finding, facts) for finding in sure_findings(facts) if is_of_payload(finding)]
    places = [about_place(finding) for finding in sure_findings(facts) if is_place_of_run(finding)]
    return [*places, *(piece for piece in advice if piece is not None)]


def about_items(finding: Mapping[str, Any], facts: Facts) -> Advice | None:
    """None where the failures pass by themselves, or other advice says what to do about them."""
    subjects = subjects_of(finding, facts)
    remedy = remedy_of(subjects[0], facts) if subjects else Remedy.RETRY
    passes = remedy == Remedy.RETRY and bool(subjects) and subjects[0].category in PASSING_CATEGORIES
    if passes or remedy in (*PASSING, *REPAIRS):
        return None
    text = finding["text"]
    title = f"Set aside the items with {text}; retry them after the fix"
    if remedy == Remedy.CORRECT:
        title = f"Or set aside the items with {text} until they are corrected"
    params = {"where": {"conditions": finding["where"].get("conditions", [])}}
    return about_finding(finding, title, "hold", params)


def about_place(finding: Mapping[str, Any]) -> Advice:
    """Where a worker or its host explains the failures, the items are not at fault: none is set aside."""
    title = f"Look at what is different where {finding['text']}, mend it, then retry these items"
    return about_finding(finding, title, "wait", {})


def about_finding(finding: Mapping[str, Any], title: str, verb: str, params: Mapping[str, Any]) -> Advice:
    failed, size, others_failed, others = (int(finding[name]) for name in ("failed", "size", "others_failed", "others"))
    without = (
        f"without them {others_failed:,} of {others:,} fail ({percent(others_failed / others if others else 0.0)})"
    )
    return Advice(
        rule=RULE,
        subject=f"{finding['stream']}: {finding['text']}"[:200],
        title=title,
        why=str(finding["sentence"]),
        confidence=str(finding["confidence"]),
        verb=verb,
        params=params,
        items=failed,
        weight=failed,
        predicted=Prediction("failures avoided", failed, failed, failed, without),
        evidence=[evidence("failed here, and elsewhere", failed, size, others_failed, others, finding["p"])],
        findings=[str(finding["text"])],
    )
