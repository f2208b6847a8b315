"""What the desk says is to be done about a batch's failures: advice with what it should bring, the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from batches.models import Batch, Retry
from errors.desk import advice_cards, retry_page
from errors.findings import IN_PAGE_LIMIT, errors_of, scatter_of
from errors.models import BulkAct, PlanStep, Recommendation, RecoveryPlan
from errors.recovery import plan_runs, plans, recommendations


def said_about(batch: Batch) -> dict[str, Any]:
    """Kept ones of a large batch; worked out anew for a small one that has changed."""
    listed = recommendations.listed(batch, errors_of(batch), up_to=IN_PAGE_LIMIT)
    advice = [advice_cards.advice_of(batch, one) for one in listed]
    return {
        "scatter": scatter_of(batch),
        "advice": [one for one in advice if not one["spent"]],
        "spent": [one for one in advice if one["spent"]],
        "dismissed": dismissed(batch),
        "plan": plan_of(batch),
        "last_retry": retry_page.last_retry(batch),
        "last_act": last_act(batch),
        "set_aside": batch.asides.exists(),
    }


def last_act(batch: Batch) -> dict[str, Any] | None:
    """The last verb upon many groups, which can be undone on its page."""
    found = BulkAct.objects.filter(batch=batch).defer("refused").order_by("-number").first()
    if found is None:
        return None
    return {
        "said": f"{len(found.changed):,} {found.verb.removesuffix('e')}ed",
        "by": found.actor,
        "at": found.at,
        "undone": bool(found.undone),
        "url": reverse("admin:errors_bulk", args=[batch.pk, found.number]),
    }


def plan_of(batch: Batch) -> dict[str, Any]:
    """The stored plan, each step's prediction beside what happened."""
    stored = plans.show(batch.pk)
    numbers = [one["retry"] for one in stored["steps"] if one["retry"]]
    made = {one.number: one for one in batch.retries.filter(number__in=numbers)}
    outcomes = retry_page.outcomes_of(list(made.values()))
    steps = []
    for one in stored["steps"]:
        retry = made.get(one["retry"] or 0)
        actual = outcomes[retry.pk] if retry else {}
        steps.append(step_of(batch, one | {"actual": actual}, retry is not None and retry.state in Retry.UNDER_WAY))
    return {
        **stored,
        "steps": steps,
        "line": stored["totals"].get("line", ""),
        "recovered": sum(one["actual"].get("recovered", 0) for one in steps),
        "stale": is_stale(batch, stored, numbers),
        "runs": stored["state"] == RecoveryPlan.State.RUNNING,
        "verbs": plan_runs.legal_verbs(stored["state"]),
        "may_run": any(one["state"] == PlanStep.State.OPEN for one in steps),
    }


def is_stale(batch: Batch, stored: Mapping[str, Any], own: list[int]) -> bool:
    """Whether items were retried, or set aside, by something else since the plan was worked out."""
    if not stored["at"] or stored["state"] != RecoveryPlan.State.OPEN:
        return False
    since = parse_datetime(stored["at"])
    retried = batch.retries.filter(created_at__gt=since).exclude(number__in=own)
    return retried.exists() or batch.asides.filter(created_at__gt=since).exists()


def step_of(batch: Batch, one: Mapping[str, Any], under_way: bool) -> dict[str, Any]:
    to_correct = advice_cards.corrections(batch, one["cost"].get("items") or 0, "") if one["kind"] == "fix" else []
    return {
        **one,
        "expected": advice_cards.expected(one["predicted"]),
        "outcome": advice_cards.outcome(one),
        "under_way": under_way,
        "url": reverse("admin:errors_step", args=[batch.pk, one["step"]]),
        "retry_url": reverse("admin:errors_retry", args=[batch.pk, one["retry"]]) if one["retry"] else "",
        "corrections": to_correct,
    }


def dismissed(batch: Batch) -> list[dict[str, Any]]:
    """What nobody wants to see, to be shown again."""
    rows = Recommendation.objects.filter(batch=batch, state=Recommendation.State.DISMISSED).order_by("-number")[:20]
    return [
        {"title": one.title, "by": one.by, "url": reverse("admin:errors_advice_undo", args=[batch.pk, one.number])}
        for one in rows
    ]
