"""Items that share a value fail: set them aside, run the rest, retry after the fix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from errors.advice.facts import Advice, Facts, Prediction, evidence
from errors.advice.rules.group_advice import SURE
from errors.detectors.conditions import are_circumstances
from errors.detectors.findings import percent


def attribute(facts: Facts) -> list[Advice]:
    findings = (finding for finding in facts.findings if "fields" in finding["where"] and finding["confidence"] in SURE)
    return [about_finding(finding) for finding in findings]


def about_finding(finding: Mapping[str, Any]) -> Advice:
    """Where circumstances of the run explain the failures, the items are not at fault: none is set aside."""
    failed, size, others_failed, others = (int(finding[name]) for name in ("failed", "size", "others_failed", "others"))
    about_runs = are_circumstances(finding["where"]["fields"])
    without = (
        f"without them {others_failed:,} of {others:,} fail ({percent(others_failed / others if others else 0.0)})"
    )
    aside = f"Set aside the items with {finding['text']}; retry them after the fix"
    return Advice(
        rule="attribute",
        subject=f"{finding['stream']}: {finding['text']}"[:200],
        title=f"Look at what is different where {finding['text']}, then retry" if about_runs else aside,
        why=str(finding["sentence"]),
        confidence=str(finding["confidence"]),
        verb="wait" if about_runs else "hold",
        params={} if about_runs else {"where": {"conditions": finding["where"].get("conditions", [])}},
        items=failed,
        weight=failed,
        predicted=Prediction("failures avoided", failed, failed, failed, without),
        evidence=[evidence("failed here, and elsewhere", failed, size, others_failed, others, finding["p"])],
        findings=[str(finding["text"])],
    )
