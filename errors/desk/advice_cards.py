"""One piece of advice, or one step of a plan, for a page: its buttons, what it should bring, what it brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from batches.models import Batch
from batches.operations import DEFAULT_CANARY
from errors.desk.retry_page import items_of
from errors.models import Recommendation
from errors.recovery.actions import scope_of

BACK = "items recovered"
LABELS = {BACK: "Expected back", "items recovered if retried unchanged": "Expected back by retrying unchanged"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One button: what it says, and the page on which it is confirmed."""

    label: str
    url: str
    main: bool = False


def advice_of(batch: Batch, one: Mapping[str, Any]) -> dict[str, Any]:
    at = [batch.pk, one["number"]]
    return {
        **one,
        "open": one["state"] == Recommendation.State.OPEN,
        "spent": is_spent(one),
        "choices": choices(batch, one, reverse("admin:errors_advice", args=at)),
        "expects": LABELS.get(one["predicted"].get("metric", BACK), str(one["predicted"].get("metric")).capitalize()),
        "expected": "" if nothing_left(one) else expected(one["predicted"]),
        "basis": one["predicted"].get("basis", ""),
        "outcome": outcome(one),
        "retry_url": reverse("admin:errors_retry", args=[batch.pk, one["retry"]]) if one["retry"] else "",
        "undo": UNDO.get(next(iter(one["undo"]), "")) if one["state"] == Recommendation.State.APPLIED else "",
        "undo_url": reverse("admin:errors_advice_undo", args=at),
        "dismiss_url": reverse("admin:errors_advice_dismiss", args=at),
    }


def nothing_left(one: Mapping[str, Any]) -> bool:
    """Whether it predicts what becomes of items still to come, of which there are none."""
    return one["predicted"].get("metric") == "items still at risk" and not one["predicted"].get("high")


def is_spent(one: Mapping[str, Any]) -> bool:
    """Whether it is about failed items, of which none is failed any more."""
    verb, open_ = one["action"].get("verb"), one["state"] == Recommendation.State.OPEN
    return open_ and verb in ("retry", "hold", "fix") and one["cost"].get("items") == 0


UNDO = {"aside": "Bring them back", "adjust": "Change it back", "assign": "Give it back"}
"""What takes an act back, by what it has left behind."""


def expected(predicted: Mapping[str, Any]) -> str:
    """155 (125-175), or less if less is known."""
    low, mid, high = (predicted.get(name) for name in ("low", "mid", "high"))
    if low is None or high is None:
        return ""
    if low == high:
        return f"{low:,.0f}"
    return f"{low:,.0f}-{high:,.0f}" if mid is None else f"{mid:,.0f} ({low:,.0f}-{high:,.0f})"


def outcome(one: Mapping[str, Any]) -> str:
    """What became of it, in words; of a retry that is not over, so far."""
    if one["undo"].get("aside"):
        return f"{items_of(one['undo'].get('items', 0))} set aside"
    words = {
        "recovered": "recovered",
        "failed_same": "failed the same way",
        "failed_differently": "failed differently",
        "skipped": "skipped",
        "waiting": "waiting",
    }
    actual = one.get("actual") or {}
    told = ", ".join(f"{actual[name]:,} {said}" for name, said in words.items() if actual.get(name))
    return f"corrected: {told}" if told and one["action"].get("verb") == "fix" else told


def choices(batch: Batch, one: Mapping[str, Any], url: str) -> list[Choice]:
    """The buttons of an open one: its prepared action first, then other ways, and where to look."""
    verb, params, items = one["action"].get("verb", ""), one["action"].get("params", {}), one["cost"].get("items") or 0
    look = look_at(batch, params)
    if verb in ("retry", "hold") and not items:
        return [*others(batch, one), *look]
    if verb == "retry":
        later = {"after": params["after"]} if params.get("after") else {}
        if items <= DEFAULT_CANARY:
            return [Choice(f"Retry {items:,}", f"{url}?{urlencode(later)}" if later else url, main=True), *look]
        return [
            Choice(f"Try {DEFAULT_CANARY} first", f"{url}?{urlencode({'canary': DEFAULT_CANARY, **later})}", main=True),
            Choice(f"Retry {items:,}", f"{url}?{urlencode({'canary': 0, 'needed': 0, **later})}"),
            *others(batch, one),
            *look,
        ]
    if verb == "hold":
        return [Choice("Keep aside", url, main=True), *others(batch, one), *look]
    if verb == "fix":
        return corrections(batch, items, one.get("rule", ""))
    return [Choice(LABEL.get(verb) or adjusting(batch, params), url, main=True), *others(batch, one), *look]


def others(batch: Batch, one: Mapping[str, Any]) -> list[Choice]:
    """What else could be done, each on its own page."""
    found = []
    for other in one.get("alternatives") or ():
        params = dict(other.get("params", {}))
        if other.get("verb") == "retry" and "group" in params:
            page = reverse("admin:errors_group_retry", args=[batch.pk, params.pop("group")])
            found.append(Choice(str(other["title"]), f"{page}?{urlencode(params)}" if params else page))
        elif other.get("verb") == "fix":
            found.append(Choice(str(other["title"]), address("errors_fixes", batch.pk)))
        elif other.get("verb") == "hold" and "group" in params:
            page = reverse("admin:errors_group_aside", args=[batch.pk, params["group"]])
            found.append(Choice(str(other["title"]), page))
    return [choice for choice in found if choice.url]


LABEL = {"pause": "Pause", "assign": "Take it on", "wait": "Note it", "resolve": "Resolve if clean"}


def adjusting(batch: Batch, params: Mapping[str, Any]) -> str:
    """Raise limit to 60 s."""
    changes = params.get("changes", {})
    if "item_timeout" in changes:
        return f"Raise limit to {changes['item_timeout']:g} s"
    if "concurrency" in changes:
        return f"Lower concurrency to {changes['concurrency']}"
    return "Change how it runs"


def corrections(batch: Batch, items: int, rule: str) -> list[Choice]:
    """The rows to correct, and where the corrected file goes."""
    category = {"category": "validation"} if rule == "validation" else {}
    found = [
        Choice(f"Download {items:,} {'row' if items == 1 else 'rows'}", download(batch, **category), main=True),
        Choice("Upload corrected rows", address("errors_fixes", batch.pk)),
    ]
    return [one for one in found if one.url]


def download(batch: Batch, **wanted: str) -> str:
    found = address("errors_export", batch.pk, "csv")
    return f"{found}?{urlencode({'kind': 'fix', **wanted})}" if found else ""


def look_at(batch: Batch, params: Mapping[str, Any]) -> list[Choice]:
    """The items behind it, where a page shows them."""
    params = params.get("retry", params)
    if "group" in params:
        return [Choice("Look", reverse("admin:errors_group", args=[batch.pk, params["group"]]))]
    if "matching" in params:
        return [
            Choice("Look", f"{reverse('admin:errors_desk', args=[batch.pk])}?{urlencode(params['matching'])}#groups")
        ]
    if keys := params.get("item_keys"):
        query = {"batch__id__exact": batch.pk, "failed_at__isnull": "False", "q": keys[0] if len(keys) == 1 else ""}
        return [Choice("Look", f"{reverse('admin:batches_item_changelist')}?{urlencode(query)}")]
    tests = [one for one in (params.get("where") or {}).get("conditions", []) if one["test"][0] == "is"]
    if tests:
        field = {"field": f"{tests[0]['field']}={tests[0]['test'][2]}"}
        return [Choice("Look", f"{reverse('admin:errors_desk', args=[batch.pk])}?{urlencode(field)}#groups")]
    return []


def address(name: str, *args: Any) -> str:
    """A page's address; empty if there is no such page."""
    try:
        return reverse(f"admin:{name}", args=args)
    except NoReverseMatch:
        return ""


def confirmation(batch: Batch, one: Mapping[str, Any]) -> dict[str, Any]:
    """What exactly will happen, for what is neither a retry nor sets items aside."""
    verb, params = one["action"].get("verb", ""), one["action"].get("params", {})
    effects = [one["why"]] if one.get("why") else []
    for name, value in params.get("changes", {}).items():
        said = f"{name.replace('_', ' ').capitalize()}: {getattr(batch, name, '–')} → {value}"
        effects.append(f"{said}, from the next time slice of its lanes on. It can be changed back.")
    if wait := params.get("retry", {}).get("after"):
        effects.append(f"What is retried then waits {wait:,} s first, as the other side asked.")
    if verb == "pause":
        effects.append("The worker finishes the chunk in its hands, nothing after it. Resume goes on where it stopped.")
    if verb == "assign":
        effects.append("The error group is yours, in every batch of this processor. No item is touched.")
    if verb == "resolve":
        effects.append("A group of which no retried item fails in the same way is resolved; the others stay open.")
    if verb in ("wait", "fix") or (verb == "hold" and not scope_of(params)):
        effects.append("This notes the decision in the history; no item is changed.")
    if back := expected(one["predicted"]):
        label = LABELS.get(one["predicted"].get("metric", BACK), str(one["predicted"].get("metric")).capitalize())
        effects.append(f"{label}: {back} ({one['predicted'].get('basis')}).")
    button = LABEL.get(verb) or (adjusting(batch, params) if verb == "adjust" else "Note it")
    return {"question": one["title"], "effects": effects, "button": button}
