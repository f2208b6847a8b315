"""The rules: when each speaks, what it says, how sure it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from errors.advice import Advice, Facts, Group, History, advise, plan, totals
from errors.advice.problems import Problem
from errors.advice.timeouts import Verdict


def group(category: str = "network", items: int = 5, **known: Any) -> Group:
    return Group(
        **{"fingerprint": f"f-{category}", "title": f"a {category} error", "category": category} | known,
        items=items,
        errors=items,
    )


def facts(*groups: Group, tried: int = 1000, **known: Any) -> Facts:
    failed = sum(one.items for one in groups)
    given = {"total": tried, "tried": tried, "failed": failed, "errors": failed, "attempts": tried, "groups": groups}
    return Facts(**given | known)


def said(given: Facts, rule: str) -> Advice | None:
    return next((one for one in advise(given) if one.rule == rule), None)


def found(stream: str, confidence: str = "strong", **where: Any) -> dict[str, Any]:
    counts = {"failed": 40, "size": 50, "others_failed": 2, "others": 400, "p": 1e-9}
    return {
        "stream": stream,
        "text": "here",
        "sentence": "40 of 50.",
        "confidence": confidence,
        "where": where,
    } | counts


@pytest.mark.parametrize(
    ("failed", "tried", "sure"),
    [(12, 100, None), (18, 100, "moderate"), (30, 100, "strong"), (3, 10, None), (6, 10, "low"), (0, 0, None)],
)
def test_it_speaks_of_a_high_rate(failed: int, tried: int, sure: str | None) -> None:
    one = said(replace(facts(tried=tried), failed=failed), "high_rate")
    assert (one.confidence if one else None) == sure


def test_it_pauses_only_what_runs_and_counts_what_is_at_risk() -> None:
    running = replace(facts(tried=100), failed=30, total=300, active=True)
    one = said(running, "high_rate")
    assert one is not None
    assert one.verb == "pause"
    assert one.predicted is not None
    assert (one.predicted.low, one.predicted.mid, one.predicted.high) == (44, 60, 79)
    ended = said(replace(running, active=False), "high_rate")
    assert ended is not None
    assert ended.verb == "fix"


@pytest.mark.parametrize(("worst", "spikes"), [(0.1, True), (0.2, False)])
def test_it_compares_a_high_rate_with_the_batches_before(worst: float, spikes: bool) -> None:
    one = said(replace(facts(tried=100), failed=30, history=History(5, [worst, 0.0, 0.0, 0.0, 0.0])), "high_rate")
    assert one is not None
    assert ("twice the worst of the last 5" in one.why) == spikes


def test_it_raises_a_tight_limit_and_never_that_of_a_hang() -> None:
    given = facts(group("timeout"), verdict=Verdict("tight", 0.75), item_timeout=20.0)
    tight = said(given, "timeout")
    assert tight is not None
    assert (tight.verb, tight.confidence) == ("adjust", "moderate")
    assert tight.params == {"changes": {"item_timeout": 40.0}, "retry": {"group": "f-timeout"}}
    hang = said(replace(given, verdict=Verdict("hang", 0.0)), "timeout")
    assert hang is not None
    assert hang.verb == "hold"
    assert hang.predicted is not None
    assert hang.predicted.high == 0
    few = said(facts(group("timeout", 4), verdict=Verdict("tight", 0.75)), "timeout")
    assert few is not None
    assert few.confidence == "low"


@pytest.mark.parametrize(
    ("limit", "longest", "verb", "title"), [(30.0, 40.0, "adjust", "39 s"), (39.0, 40.0, "hold", "lease")]
)
def test_it_stays_below_what_the_lease_allows(limit: float, longest: float, verb: str, title: str) -> None:
    given = facts(group("timeout", 10), verdict=Verdict("tight", 0.75), item_timeout=limit, longest=longest)
    one = said(given, "timeout")
    assert one is not None
    assert one.verb == verb
    assert title in one.title


def test_it_lowers_the_concurrency_to_what_the_other_side_bears() -> None:
    one = said(facts(group("rate_limit", 10), concurrency=20, target=13), "rate_limit")
    assert one is not None
    assert (one.params["changes"], one.confidence) == ({"concurrency": 13}, "strong")
    few = said(facts(group("rate_limit", 9), concurrency=20, target=13), "rate_limit")
    assert few is not None
    assert few.confidence == "low"
    single = said(facts(group("rate_limit", 10), concurrency=1), "rate_limit")
    assert single is not None
    assert single.verb == "retry"


def test_it_hands_out_what_is_invalid() -> None:
    one = said(facts(group("validation", 5)), "validation")
    assert one is not None
    assert (one.verb, one.confidence) == ("fix", "moderate")
    few = said(facts(group("validation", 1), group("network", 50)), "validation")
    assert few is not None
    assert few.confidence == "low"


def test_it_retries_a_window_that_is_over() -> None:
    one = said(facts(group("network", 120), findings=[found("network", start=1, end=2)]), "network")
    assert one is not None
    assert one.predicted is not None
    assert one.findings == ["here"]
    assert (one.predicted.low, one.predicted.mid, one.predicted.high) == (118, 119, 120)
    probe = said(facts(group("network", 120)), "network")
    assert probe is not None
    assert (probe.verb, probe.confidence) == ("retry", "weak")


def test_it_names_what_recurs() -> None:
    known = replace(group("unknown", 7), recent=3, usual=4)
    one = said(facts(known, history=History(5)), "recurring")
    assert one is not None
    assert one.confidence == "moderate"
    assert one.predicted is not None
    assert one.predicted.mid == 4
    plain = said(facts(group("unknown", 3)), "recurring")
    assert plain is not None
    assert plain.confidence == "low"
    assert said(facts(group("unknown", 2)), "recurring") is None


def test_it_sets_aside_what_an_attribute_explains() -> None:
    one = said(facts(findings=[found("any", fields=["country"])]), "attribute")
    assert one is not None
    assert (one.verb, one.items) == ("hold", 40)
    assert said(facts(findings=[found("any", "weak", fields=["country"])]), "attribute") is None


@pytest.mark.parametrize(("count", "speaks"), [(2, False), (3, True)])
def test_it_stops_retrying_poison(count: int, speaks: bool) -> None:
    bad = [Problem(f"k{n}", 3, "poison", 0.95, 0.02) for n in range(count)]
    assert (said(facts(problems=bad), "poison") is not None) == speaks


def test_it_says_nothing_about_nothing() -> None:
    assert advise(facts()) == []
    assert advise(facts(tried=0)) == []


def test_a_plan_stops_the_bleeding_first_and_hands_out_the_rows_last() -> None:
    given = facts(
        group("validation", 60), group("network", 200), group("rate_limit", 52), active=True, concurrency=8, tried=400
    )
    steps = plan(given, advise(given))
    assert [step.kind for step in steps] == ["stop", "settings", "retry", "retry", "fix"]
    whole = totals(given, steps)
    assert (whole["failed"], whole["corrected"]) == (312, 60)
    assert whole["recover"]["mid"] + whole["corrected"] + whole["unclear"] == 312
    assert whole["line"].startswith("312 failed: ~")
    assert "by steps 3-4, 60 need corrected input" in whole["line"]


def test_a_plan_never_retries_what_hangs() -> None:
    given = facts(group("timeout", 9), verdict=Verdict("hang", 0.0), item_timeout=5.0)
    assert [step.kind for step in plan(given, advise(given))] == ["hold"]
