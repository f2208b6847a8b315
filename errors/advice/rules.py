"""The rules: `Facts` to advice. One function each, one name in `RULES`.

Each has a tested form, which says how sure it is, and a plain one of low confidence, so that no kind of error present
goes without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from errors.advice.facts import Advice, Facts, Group, Prediction
from errors.advice.predictions import added, of_group, recoveries
from errors.advice.recurring import is_dominant, is_recurring, spike
from errors.advice.timeouts import Verdict
from errors.detectors.conditions import are_circumstances
from errors.detectors.findings import percent
from errors.detectors.statistics import wilson

Rule = Callable[[Facts], list[Advice]]
LEAST, LEAST_TRIED, HIGH, PLAIN_HIGH = 5, 30, 0.10, 0.5
LEAST_SHARE = 0.01
LEAST_AFTER = 20
LONGEST_WAIT = 24 * 3600
SURE = ("strong", "moderate")
INPUT = ("validation", "not_found", "defect", "auth")


def evidence(
    label: str, a: int, n: int, b: int | None = None, m: int | None = None, p: float | None = None
) -> dict[str, Any]:
    """a of n here; b of m elsewhere, and how likely chance makes such a difference, where that was looked at."""
    beside = {"b": b, "m": m, "p": p}
    return {"label": label, "a": a, "n": n} | {name: value for name, value in beside.items() if value is not None}


def instead(title: str, verb: str, **params: Any) -> dict[str, Any]:
    return {"title": title, "verb": verb, "params": params}


def high_rate(facts: Facts) -> list[Advice]:
    """So many items fail that the input, or the way it runs, wants a look before more of it runs."""
    low, high = wilson(facts.failed, facts.tried)
    tested = facts.tried >= LEAST_TRIED and low > HIGH
    if not tested and not (facts.tried and facts.failed / facts.tried > PLAIN_HIGH):
        return []
    top = str(facts.findings[0]["sentence"]) if facts.findings else ""
    rest = facts.remaining
    mid = round(rest * facts.failed / facts.tried)
    risk = Prediction("items still at risk", round(rest * low), mid, round(rest * high), "the failure rate so far")
    why = f"{facts.failed:,} of the {facts.tried:,} items tried failed ({percent(facts.failed / facts.tried)})."
    if spike(facts.failed, facts.tried, facts.history.rates) == "yes":
        why += f" That is more than twice the worst of the last {facts.history.batches} batches."
    return [
        Advice(
            rule="high_rate",
            subject="batch",
            title="Pause, and review the input" if facts.active else "Review the input before it is run again",
            why=f"{why} {top}".strip(),
            confidence=("strong" if low > 2 * HIGH else "moderate") if tested else "low",
            verb="pause" if facts.active else "fix",
            params={} if facts.active else {"kind": "fix"},
            items=facts.failed,
            weight=facts.failed,
            predicted=risk,
            evidence=[evidence("items failed", facts.failed, facts.tried)],
            findings=[str(facts.findings[0]["text"])] if facts.findings else [],
            alternatives=[instead("Correct what failed so far", "fix", kind="fix")] if facts.active else [],
        )
    ]


def timeouts(facts: Facts) -> list[Advice]:
    """More time where attempts were about to end; never where they hang."""
    groups = facts.of("timeout")
    _, errors = counted(groups)
    if not errors:
        return []
    verdict, limit = facts.verdict, facts.item_timeout
    if errors < LEAST or verdict is None:
        why = f"{errors:,} attempts ran out of time; too few to tell whether more of it would help."
        return [of_groups("timeout", groups, facts, why, "low", "Probe the timeouts with a few items")]
    seen = [evidence("attempts timed out", errors, facts.attempts)]
    if verdict.kind == "hang":
        why = f"Nothing that takes over half of the {limit:g} s ends at all: the {errors:,} timeouts hang."
        none = Prediction("items recovered", 0, 0, 0, "no success in the second half of the limit")
        title = "Do not raise the time limit: set these items aside, and look at what they wait for"
        said = of_groups("timeout", groups, facts, why, "moderate", title, verb="hold", predicted=none, seen=seen)
        probe = instead("Try five of them first", "retry", **said.params, canary=5, needed=5)
        return [replace(said, alternatives=[probe])]
    return [more_time(facts, groups, verdict, seen)]


def more_time(facts: Facts, groups: Sequence[Group], verdict: Verdict, seen: Sequence[dict[str, Any]]) -> Advice:
    """Twice the limit, or as near to it as the lease allows; what it brings shrinks with it."""
    (items, errors), limit = counted(groups), facts.item_timeout
    longer = 2 * limit if 2 * limit < facts.longest else float(ceil(facts.longest) - 1)
    share = verdict.share * min(1.0, (longer - limit) / limit)
    why = (
        f"Of {errors:,} timeouts at {limit:g} s, {percent(verdict.share)} should end within {2 * limit:g} s, "
        "as fast as the others thin out."
    )
    if longer <= limit:
        title = f"More than {limit:g} s would help, and needs a longer lease: raise PORTAL_LEASE_SECONDS"
        return of_groups("timeout", groups, facts, why, "weak", title, verb="wait", seen=seen)
    low, high = (round(items * bound) for bound in wilson(errors * share, errors))
    basis = "the shares still running at a quarter, half and the limit"
    more = Prediction("items recovered", low, round(items * share), high, basis)
    sure = "moderate" if verdict.kind == "tight" else "weak"
    title = f"Raise the time limit from {limit:g} s to {longer:g} s, and try a few of them"
    said = of_groups("timeout", groups, facts, why, sure, title, verb="adjust", predicted=more, seen=seen)
    return with_params(said, {"changes": {"item_timeout": longer}, "retry": said.params})


def rate_limit(facts: Facts) -> list[Advice]:
    """Fewer at a time, if the other side turns us away."""
    groups = facts.of("rate_limit")
    _, errors = counted(groups)
    if not errors:
        return []
    tested = errors >= LEAST and errors >= LEAST_SHARE * facts.attempts
    target = min(facts.target or max(1, facts.concurrency // 2), facts.concurrency)
    why = f"{errors:,} of {facts.attempts:,} attempts were turned away by a rate limit."
    if wait := max(group.asked_wait for group in groups):
        why += f" The other side asked to wait for up to {wait:,.0f} s: do not retry before that."
    later = {"after": ceil(min(wait, LONGEST_WAIT))} if wait else {}
    if target == facts.concurrency:
        said = of_groups("rate_limit", groups, facts, why, "low", "Wait, then retry what was turned away")
        return [with_params(said, {**said.params, **later})]
    sure = ("strong" if facts.target else "moderate") if tested else "low"
    title = f"Lower the concurrency from {facts.concurrency} to {target}, then retry what was turned away"
    seen = [evidence("attempts turned away", errors, facts.attempts)]
    said = of_groups("rate_limit", groups, facts, why, sure, title, verb="adjust", seen=seen)
    return [with_params(said, {"changes": {"concurrency": target}, "retry": {**said.params, **later}})]


def not_before(groups: Sequence[Group]) -> dict[str, int]:
    """The parameter of a retry that waits as long as the other side asked."""
    wait = max(group.asked_wait for group in groups)
    return {"after": ceil(min(wait, LONGEST_WAIT))} if wait else {}


def validation(facts: Facts) -> list[Advice]:
    """Input that is refused is refused again: correct it."""
    groups = facts.of("validation")
    items, errors = counted(groups)
    if not errors:
        return []
    tested = errors >= LEAST or is_dominant(errors, facts.errors)
    top = max(groups, key=lambda group: group.errors)
    why = f"{errors:,} attempts at {items:,} items were refused as invalid, most of them: {top.title}."
    high = round(items * wilson(0, max(1, sum(group.tried for group in groups)))[1]) if any_tried(groups) else 0
    seen = [evidence("validation errors", errors, facts.errors)]
    none = Prediction("items recovered if retried unchanged", 0, 0, high, "invalid input stays invalid")
    fields = fields_of(facts, groups, top)
    title = f"Check the format of {fields}, correct these rows, and submit them again"
    sure = ("strong" if items >= 20 else "moderate") if tested else "low"
    return [of_groups("validation", groups, facts, why, sure, title, verb="fix", predicted=none, seen=seen)]


def fields_of(facts: Facts, groups: Sequence[Group], top: Group) -> str:
    """Which fields to look at: those a message names, or those that set the failures apart."""
    streams = {"validation", *(group.fingerprint for group in groups)}
    telling = (one for one in facts.findings if one["stream"] in streams and one["confidence"] in SURE)
    lifted = next((one["where"]["fields"] for one in telling if "fields" in one["where"]), ())
    names = list(dict.fromkeys([*top.fields, *(name for name in lifted if not are_circumstances([name]))]))
    return " and ".join(names[:3]) if names else "the input"


def network(facts: Facts) -> list[Advice]:
    """Is the outage over? Then retry exactly what it hit."""
    groups = facts.of("network", "upstream")
    items, errors = counted(groups)
    if not errors:
        return []
    seen = [evidence("connection and upstream errors", errors, facts.errors)]
    window = window_of(facts, groups)
    if window is None or errors < LEAST:
        why = f"{errors:,} attempts could not reach the other side, or were answered with its errors."
        sure = "weak" if errors >= LEAST else "low"
        return [of_groups("network", groups, facts, why, sure, "Check connectivity, then try a few of them", seen=seen)]
    after, failed = int(window["where"]["after"]), int(window["where"]["after_failed"])
    inside, size = int(window["failed"]), int(window["size"])
    seen.append(evidence("failed after it, and in it", failed, after, inside, size, window["p"]))
    if not is_over(after, failed, inside / size):
        why = f"{window['sentence']} Since then {failed:,} of {after:,} failed: it may not be over."
        title = f"Wait, then try a few of what failed in {window['text']}"
        said = of_groups("network", groups, facts, why, "weak", title, seen=seen)
        return [with_params(said, said.params, [str(window["text"])])]
    why, sure = f"{window['sentence']} Since then {failed:,} of {after:,} failed.", str(window["confidence"])
    basis, still = f"{failed:,} of {after:,} failed after it", int(window.get("still", 0))
    back = recoveries(still or items, after - failed, after, basis)
    if not still:
        title = f"It looks over: retry what failed in {window['text']}"
        said = of_groups("network", groups, facts, why, sure, title, predicted=back, seen=seen)
        return [with_params(said, said.params, [str(window["text"])])]
    title = f"It looks over: retry exactly what failed in {window['text']}"
    said = of_groups("network", groups, facts, why, sure, title, seen=seen)
    exactly = replace(said, items=still, minutes=facts.minutes(still), predicted=back)
    return [with_params(exactly, window["scope"], [str(window["text"])])]


def is_over(after: int, failed: int, inside: float) -> bool:
    """Enough was tried since, and it fails far less than in the window."""
    return after >= LEAST_AFTER and wilson(failed, after)[1] < inside / 2


def window_of(facts: Facts, groups: Sequence[Group]) -> Any:
    """A hot range or time in which these failures lie."""
    streams = {group.fingerprint for group in groups} | {group.category for group in groups}
    if len(groups) == len(facts.groups):  # nothing else failed: what is found of any failure is found of these
        streams.add("any")
    windows = [found for found in facts.findings if found["stream"] in streams and found["confidence"] in SURE]
    return next((found for found in windows if "after" in found["where"]), None)


def recurring(facts: Facts) -> list[Advice]:
    """What comes back batch after batch has a cause that no retry removes."""
    said = []
    for group in sorted(facts.groups, key=lambda group: -group.errors):
        if is_recurring(group.recent):
            why = f"Seen in {group.recent} of the last {facts.history.batches} batches, first at {group.first_seen}."
            why += f" {group.owner} is on it." if group.owner else " Nobody is on it."
            why += f" Last note: {group.last_note}" if group.last_note else ""
            usual = Prediction("errors avoided a batch", 0, group.usual, 2 * group.usual, "the median of those batches")
            said.append(about_group(group, why, "moderate", usual))
    top = max(facts.groups, key=lambda group: group.errors, default=None)
    if top and not said and top.errors >= 3:
        why = f"{top.errors:,} of the batch's {facts.errors:,} errors are the same: {top.title}."
        said.append(about_group(top, why, "low", None))
    return said


def about_group(group: Group, why: str, sure: str, predicted: Prediction | None) -> Advice:
    return Advice(
        rule="recurring",
        subject=group.fingerprint,
        title=f"Find the root cause of: {group.title}",
        why=why,
        confidence=sure,
        verb="assign",
        params={"group": group.fingerprint},
        items=group.items,
        weight=group.errors,
        predicted=predicted,
        evidence=[evidence("batches seen in", group.recent, 5)],
    )


def attribute(facts: Facts) -> list[Advice]:
    """Items that share a value fail: set them aside, run the rest, retry after the fix."""
    found = [one for one in facts.findings if "fields" in one["where"] and one["confidence"] in SURE]
    return [of_attribute(one) for one in found]


def of_attribute(one: Mapping[str, Any]) -> Advice:
    """Not the items are at fault where it is how they were run: then there is nothing to set aside."""
    failed, size, rest, others = (int(one[name]) for name in ("failed", "size", "others_failed", "others"))
    about_runs = are_circumstances(one["where"]["fields"])
    left = f"without them {rest:,} of {others:,} fail ({percent(rest / others if others else 0.0)})"
    aside = f"Set aside the items with {one['text']}; retry them after the fix"
    return Advice(
        rule="attribute",
        subject=f"{one['stream']}: {one['text']}"[:200],
        title=f"Look at what is different where {one['text']}, then retry" if about_runs else aside,
        why=str(one["sentence"]),
        confidence=str(one["confidence"]),
        verb="wait" if about_runs else "hold",
        params={} if about_runs else {"where": {"conditions": one["where"].get("conditions", [])}},
        items=failed,
        weight=failed,
        predicted=Prediction("failures avoided", failed, failed, failed, left),
        evidence=[evidence("failed here, and elsewhere", failed, size, rest, others, one["p"])],
        findings=[str(one["text"])],
    )


def poison(facts: Facts) -> list[Advice]:
    """Items that no retry helps cost attempts and hide the others."""
    bad = [one for one in facts.problems if one.label in ("poison", "crasher")]
    if len(bad) < 3:
        return []
    lost = round(sum(one.next_works for one in bad), 1)
    why = f"{len(bad):,} items failed three times or more, always in the same way; one more try might save {lost:g}."
    each = max(1, facts.max_attempts)
    saved = Prediction("attempts saved", len(bad), len(bad) * each, len(bad) * each, f"up to {each} attempts an item")
    return [
        Advice(
            rule="poison",
            subject="batch",
            title="Stop retrying these items",
            why=why,
            confidence="moderate",
            verb="hold",
            params={"item_keys": [one.key for one in bad]},
            items=len(bad),
            weight=len(bad),
            predicted=saved,
            evidence=[evidence("poison items", len(bad), facts.failed)],
        )
    ]


RULES: tuple[Rule, ...] = (high_rate, timeouts, rate_limit, validation, network, recurring, attribute, poison)


def advise(facts: Facts) -> list[Advice]:
    """Everything the rules say, in their order."""
    return [said for rule in RULES for said in rule(facts)]


def counted(groups: Sequence[Group]) -> tuple[int, int]:
    """Items that failed finally, and failed attempts."""
    return sum(group.items for group in groups), sum(group.errors for group in groups)


def any_tried(groups: Sequence[Group]) -> bool:
    return any(group.tried for group in groups)


def of_groups(
    rule: str,
    groups: Sequence[Group],
    facts: Facts,
    why: str,
    sure: str,
    title: str,
    *,
    verb: str = "retry",
    predicted: Prediction | None = None,
    seen: Sequence[dict[str, Any]] = (),
) -> Advice:
    """Advice about a category: its largest group is the one acted upon first, the plan has a step for each."""
    top = max(groups, key=lambda group: (group.items, group.errors))
    items = counted(groups)[0]
    if verb in ("retry", "adjust"):
        items = top.items
        predicted = scaled(predicted, top.items, counted(groups)[0]) if predicted else added([of_group(top)])
    return Advice(
        rule=rule,
        subject=rule,
        title=title,
        why=why,
        confidence=sure,
        verb=verb,
        params={"group": top.fingerprint},
        items=items,
        weight=counted(groups)[1],
        minutes=facts.minutes(items),
        predicted=predicted,
        evidence=seen,
    )


def scaled(whole: Prediction, part: int, of: int) -> Prediction:
    """Of the items acted upon, not of all the category's."""
    low, mid, high = (round(bound * part / of) if of else 0 for bound in (whole.low, whole.mid, whole.high))
    return Prediction(whole.metric, low, mid, high, whole.basis)


def with_params(said: Advice, params: Any, findings: Sequence[str] = ()) -> Advice:
    return replace(said, params=params, findings=findings)
