"""The rules: when each speaks, what it says, how sure it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from errors.advice import Advice, Facts, GroupFacts, History, advise, plan, totals
from errors.advice.problems import Problem
from errors.advice.timeouts import Verdict


def group(category: str = "network", items: int = 5, **known: Any) -> GroupFacts:
    return GroupFacts(
        **{"fingerprint": f"f-{category}", "title": f"a {category} error", "category": category} | known,
        items=items,
        errors=items,
    )


def facts(*groups: GroupFacts, tried: int = 1000, **known: Any) -> Facts:
    failed = sum(one.items for one in groups)
    given = {"total": tried, "tried": tried, "failed": failed, "errors": failed, "attempts": tried, "groups": groups}
    return Facts(**given | known)


def said(given: Facts, rule: str) -> Advice | None:
    return next((one for one in advise(given) if one.rule == rule), None)


def found(stream: str, confidence: str = "strong", **where: Any) -> dict[str, Any]:
    counts = {"failed": 40, "size": 50, "others_failed": 2, "others": 400, "p": 1e-9}
    texts = {"text": "here", "sentence": "40 of 50."}
    return {"stream": stream, "confidence": confidence, "where": where} | texts | counts


@pytest.mark.parametrize(
    ("failed", "tried", "sure"),
    [(12, 100, None), (18, 100, "moderate"), (30, 100, "strong"), (3, 10, None), (6, 10, "low"), (0, 0, None)],
)
def test_it_speaks_of_a_high_rate(failed: int, tried: int, sure: str | None) -> None:
    one = said(replace(facts(tried=tried), failed=failed), "high_rate")
    assert (one.confidence if one else None) == sure


def test_it_never_gives_chance_as_a_reason() -> None:
    by_chance = found("any", "chance") | {"sentence": "4 of the 4 items in a row from 189 failed."}
    one = said(facts(group("unknown", 300), findings=[by_chance]), "high_rate")
    assert one is not None
    assert "in a row" not in one.why
    assert one.findings == []


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
    given = facts(group("timeout"), timeout_verdict=Verdict("tight", 0.75), item_timeout=20.0)
    tight = said(given, "timeout")
    assert tight is not None
    assert (tight.verb, tight.confidence) == ("adjust", "moderate")
    assert tight.params == {"changes": {"item_timeout": 40.0}, "retry": {"group": "f-timeout"}}
    hang = said(replace(given, timeout_verdict=Verdict("hang", 0.0)), "timeout")
    assert hang is not None
    assert hang.verb == "hold"
    assert hang.predicted is not None
    assert hang.predicted.high == 0
    few = said(facts(group("timeout", 4), timeout_verdict=Verdict("tight", 0.75)), "timeout")
    assert few is not None
    assert few.confidence == "low"


@pytest.mark.parametrize(
    ("limit", "bound", "verb", "title"), [(30.0, 40.0, "adjust", "39 s"), (39.0, 40.0, "wait", "lease")]
)
def test_it_stays_below_what_the_lease_allows(limit: float, bound: float, verb: str, title: str) -> None:
    given = facts(group("timeout", 10), timeout_verdict=Verdict("tight", 0.75), item_timeout=limit, timeout_bound=bound)
    one = said(given, "timeout")
    assert one is not None
    assert one.verb == verb
    assert title in one.title


def test_it_lowers_the_concurrency_to_what_the_other_side_bears() -> None:
    one = said(facts(group("rate_limit", 10), concurrency=20, concurrency_target=13), "rate_limit")
    assert one is not None
    assert (one.params["changes"], one.confidence) == ({"concurrency": 13}, "strong")
    few = said(facts(group("rate_limit", 9), concurrency=20, concurrency_target=13), "rate_limit")
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
    window = found("network", start=1, end=2, after=400, after_failed=2)
    one = said(facts(group("network", 120), findings=[window]), "network")
    assert one is not None
    assert one.predicted is not None
    assert one.findings == ["here"]
    assert (one.predicted.low, one.predicted.mid, one.predicted.high) == (117, 119, 120)
    assert one.evidence[-1] == {"label": "failed after it, and in it", "a": 2, "n": 400, "b": 40, "m": 50, "p": 1e-9}
    probe = said(facts(group("network", 120)), "network")
    assert probe is not None
    assert (probe.verb, probe.confidence) == ("retry", "weak")


def test_it_retries_exactly_the_window_that_is_over() -> None:
    scope = {"matching": {"category": "network", "positions": "300-329"}}
    window = found("network", start=300, end=329, after=670, after_failed=0) | {"scope": scope, "still": 30}
    one = said(facts(group("network", 25), group("network", 20), findings=[window]), "network")
    assert one is not None
    assert one.predicted is not None
    assert (one.title, one.params, one.items) == ("It looks over: retry exactly what failed in here", scope, 30)
    assert (one.predicted.low, one.predicted.high) == (30, 30)


@pytest.mark.parametrize(("after", "failed"), [(0, 0), (19, 0), (400, 200)])
def test_it_does_not_call_a_window_over_that_may_go_on(after: int, failed: int) -> None:
    window = found("network", start=1, end=2, after=after, after_failed=failed)
    one = said(facts(group("network", 120), findings=[window]), "network")
    assert one is not None
    assert one.title == "Wait, then try a few of what failed in here"
    assert "it may not be over" in one.why


def test_it_does_not_call_a_window_over_after_which_all_fail_in_another_way() -> None:
    window = found("network", start=1, end=2, after=29, after_failed=0, after_failed_any=29)
    one = said(facts(group("network", 30), group("unknown", 29), findings=[window]), "network")
    assert one is not None
    assert one.title == "Wait, then try a few of what failed in here"
    assert "Since then 0 of 29 failed so, 29 in any way: it may not be over." in one.why
    assert one.confidence == "weak"


def test_a_run_of_items_is_no_window_that_could_be_over() -> None:
    one = said(facts(group("network", 120), findings=[found("network", start=1, end=2)]), "network")
    assert one is not None
    assert one.title == "Check connectivity, then try a few of them"


def test_it_names_the_fields_to_look_at() -> None:
    one = said(facts(replace(group("validation", 9), fields=["country", "sku"])), "validation")
    assert one is not None
    assert one.title == "Check the format of country and sku, correct these rows, and submit them again"
    lifted = [found("validation", fields=["qty"]), found("validation", fields=["attempt's host"])]
    other = said(facts(group("validation", 9), findings=lifted), "validation")
    assert other is not None
    assert "Check the format of qty, correct" in other.title
    none = said(facts(group("validation", 9)), "validation")
    assert none is not None
    assert "Check the format of the input, correct" in none.title


def test_it_says_how_long_the_other_side_asked_to_wait() -> None:
    one = said(facts(replace(group("rate_limit", 9), asked_wait=90.0), concurrency=4), "rate_limit")
    assert one is not None
    assert "asked to wait for up to 90 s" in one.why


def test_it_says_who_is_on_what_recurs() -> None:
    known = replace(group("unknown", 7), batches_seen_in=3, usual_errors=4, owner="ana", last_note="It is the feed.")
    one = said(facts(known, history=History(5)), "recurring")
    assert one is not None
    assert one.why.endswith("ana is on it. Last note: It is the feed.")


def test_it_sets_nothing_aside_for_what_a_host_explains() -> None:
    one = said(facts(findings=[found("any", fields=["attempt's host"])]), "attribute")
    assert one is not None
    assert (one.verb, dict(one.params)) == ("wait", {})


def test_a_hang_can_be_probed_instead() -> None:
    one = said(facts(group("timeout", 9), timeout_verdict=Verdict("hang", 0.0), item_timeout=5.0), "timeout")
    assert one is not None
    (probe,) = one.alternatives
    assert probe["params"] == {"group": "f-timeout", "canary": 5, "needed": 5}


def test_it_names_what_recurs() -> None:
    known = replace(group("unknown", 7), batches_seen_in=3, usual_errors=4)
    one = said(facts(known, history=History(5)), "recurring")
    assert one is not None
    assert one.confidence == "moderate"
    assert one.predicted is not None
    assert one.predicted.mid == 4


@pytest.mark.parametrize("items", [3, 300])
def test_it_sends_nobody_after_the_largest_group(items: int) -> None:
    assert said(facts(group("unknown", items)), "recurring") is None


def test_it_sets_aside_what_an_attribute_explains() -> None:
    one = said(facts(findings=[found("any", fields=["country"])]), "attribute")
    assert one is not None
    assert (one.verb, one.items) == ("hold", 40)
    assert one.predicted is not None
    assert one.predicted.basis == "without them 2 of 400 fail (0.5%)"
    assert said(facts(findings=[found("any", "weak", fields=["country"])]), "attribute") is None


@pytest.mark.parametrize(("count", "speaks"), [(2, False), (3, True)])
def test_it_stops_retrying_poison(count: int, speaks: bool) -> None:
    bad = [Problem(f"k{n}", 3, "poison", 0.95, 0.02) for n in range(count)]
    one = said(facts(problems=bad, max_attempts=4), "poison")
    assert (one is not None) == speaks
    assert one is None or (one.predicted is not None and one.predicted.high == 12)


def test_it_says_nothing_about_nothing() -> None:
    assert advise(facts()) == []
    assert advise(facts(tried=0)) == []


def test_a_plan_stops_the_bleeding_first_and_hands_out_the_rows_last() -> None:
    given = facts(
        group("validation", 60), group("network", 200), group("rate_limit", 52), active=True, concurrency=8, tried=400
    )
    steps = plan(given, advise(given))
    assert [step.kind for step in steps] == ["stop", "settings", "retry", "retry", "fix", "resolve"]
    whole = totals(given, steps)
    assert (whole["failed"], whole["corrected"]) == (312, 60)
    assert whole["recover"] == {"low": 0, "mid": None, "high": 252}
    assert whole["line"].startswith("312 failed: how many recover by steps 3-4 is not known yet (0-252)")
    assert "60 need corrected input" in whole["line"]


def test_a_plan_never_retries_what_hangs() -> None:
    given = facts(group("timeout", 9), timeout_verdict=Verdict("hang", 0.0), item_timeout=5.0)
    assert [step.kind for step in plan(given, advise(given))] == ["hold"]


@pytest.mark.parametrize("concurrency", [1, 8])
def test_it_waits_as_long_as_the_other_side_asked(concurrency: int) -> None:
    turned_away = replace(group("rate_limit", 9), asked_wait=59.2)
    one = said(facts(turned_away, concurrency=concurrency), "rate_limit")
    assert one is not None
    assert one.params.get("retry", one.params)["after"] == 60
    steps = plan(facts(turned_away), advise(facts(turned_away)))
    assert [step.params.get("after") for step in steps if step.verb == "retry"] == [60]


def test_it_says_nothing_of_hanging_where_the_timeouts_ended_long_before_the_limit() -> None:
    given = facts(
        group("timeout", 100), timeout_verdict=Verdict("hang", 0.0), item_timeout=30.0, timeout_seconds=(0.4, 0.8)
    )
    one = said(given, "timeout")
    assert one is not None
    assert one.why.startswith("Most of the 100 timeouts took 0.4 to 0.8 s, far from the limit of 30 s")
    assert (one.verb, "timeouts hang" in one.why) == ("retry", False)
    near = said(replace(given, timeout_seconds=(29.0, 30.1)), "timeout")
    assert near is not None
    assert "timeouts hang" in near.why


def test_a_plan_leaves_alone_what_a_person_ignored() -> None:
    ignored, other = group("network", 76, is_ignored=True), group("upstream", 30)
    steps = plan(facts(ignored, other), advise(facts(ignored, other)))
    assert [step.params.get("group") for step in steps if step.verb == "retry"] == ["f-upstream"]
    assert steps[-1].title == "Resolve “a upstream error” if no item of the retry fails in the same way"


def test_a_plan_sets_nothing_aside_that_is_to_be_corrected() -> None:
    where = {"fields": ["vat_id"], "conditions": [{"field": "vat_id", "test": ["empty"]}]}
    for stream in ("f-validation", "validation"):
        given = facts(group("validation", 60), findings=[found(stream, **where)])
        assert [step.kind for step in plan(given, advise(given))] == ["fix"]
