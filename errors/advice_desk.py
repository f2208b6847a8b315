"""What the desk says is to be done about a batch's failures: advice with what it should bring, the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from batches.models import Batch
from errors import plans, recommendations, retry_words
from errors.findings import IN_PAGE, scatter_of
from errors.models import Recommendation

VERBS = {
    "retry": "Retry",
    "pause": "Pause the batch",
    "adjust": "Change how it runs",
    "assign": "Take it on",
    "hold": "Keep them aside",
    "fix": "Note that they need correction",
}


def said_about(batch: Batch) -> dict[str, Any]:
    """Kept ones of a large batch; worked out anew for a small one that has changed."""
    errors = recommendations.errors_of(batch)
    listed = recommendations.listed(batch, errors, large=False, most=IN_PAGE)
    return {
        "scatter": scatter_of(batch),
        "advice": [advice_of(batch, one) for one in listed],
        "plan": plan_of(batch),
        "last_retry": retry_words.last_retry(batch),
    }


def advice_of(batch: Batch, one: Mapping[str, Any]) -> dict[str, Any]:
    open_now = one["state"] == Recommendation.State.OPEN
    return {
        **one,
        "open": open_now,
        "button": VERBS.get(one["action"].get("verb", ""), "Do it"),
        "expected": expected(one["predicted"]),
        "outcome": outcome(one["actual"]),
        "url": reverse("admin:errors_advice", args=[batch.pk, one["number"]]),
        "dismiss_url": reverse("admin:errors_advice_dismiss", args=[batch.pk, one["number"]]),
    }


def expected(predicted: Mapping[str, Any]) -> str:
    """155 (125-175), or less if less is known."""
    low, mid, high = (predicted.get(name) for name in ("low", "mid", "high"))
    if low is None or high is None:
        return ""
    return (
        f"{low:,.0f}" if low == high else f"{mid:,.0f} ({low:,.0f}-{high:,.0f})" if mid is not None else f"{low}-{high}"
    )


def outcome(actual: Mapping[str, Any]) -> str:
    if not actual:
        return ""
    words = ("recovered", "failed_same", "failed_differently", "skipped", "waiting")
    return ", ".join(f"{actual[name]:,} {name.replace('_', ' ')}" for name in words if actual.get(name))


def plan_of(batch: Batch) -> dict[str, Any]:
    stored = plans.show(batch.pk)
    steps = [
        {
            **one,
            "expected": expected(one["predicted"]),
            "url": reverse("admin:errors_step", args=[batch.pk, one["step"]]),
        }
        for one in stored["steps"]
    ]
    return {**stored, "steps": steps, "line": stored["totals"].get("line", "")}


def confirmation(batch: Batch, one: Mapping[str, Any]) -> dict[str, Any]:
    """What exactly will happen, to how many items, and what is expected back."""
    verb, items = one["action"].get("verb", ""), one["cost"].get("items") or 0
    effects = [one.get("why") or one["title"]]
    if verb == "retry":
        effects.append(f"{items:,} items are meant. 20 go first; the rest only if one of them recovers, then in waves.")
        effects.append("Items whose failure cannot pass unchanged are left out. Nothing that succeeded runs again.")
    elif verb == "adjust":
        changes = one["action"].get("params", {}).get("changes", {})
        effects += [
            f"{name.replace('_', ' ')}: {getattr(batch, name, '–')} → {value}" for name, value in changes.items()
        ]
    elif verb in ("hold", "fix"):
        effects.append("This notes the decision in the history; no item is changed.")
    if back := expected(one["predicted"]):
        basis = one["predicted"].get("basis")
        effects.append(f"Expected back: {back}{f', from {basis}' if basis else ''}.")
    return {"question": one["title"], "effects": effects, "button": VERBS.get(verb, "Do it")}
