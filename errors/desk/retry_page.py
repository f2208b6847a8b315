"""What a retry will do, and what it did, in words and numbers for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from batches import durations, operations, progress_tracker
from batches.lifecycle.retry_states import legal_verbs
from batches.models import Batch, Item, RetriedItem, Retry
from batches.pages.markup import pill
from batches.redaction import redact, redact_text
from errors.models import ErrorGroup
from errors.recovery.forecast import Forecast
from errors.recovery.scope_text import describe_scope

F, State = RetriedItem.Fate, Retry.State
SHOWN = 50
FATES: dict[str, tuple[str, Q]] = {
    "recovered": ("Recovered", Q(fate=F.RECOVERED) | Q(fate=F.RELEASED, item__status__in=Item.SUCCESSFUL_STATUSES)),
    "failed_same": ("Failed the same way", Q(fate=F.SAME)),
    "failed_differently": ("Failed differently", Q(fate=F.DIFFERENT)),
    "failed_again": ("Failed again, not compared yet", Q(fate=F.RELEASED, item__status__in=Item.FAILED_STATUSES)),
    "skipped": ("Skipped", Q(fate=F.SKIPPED)),
    "waiting": ("Waiting", Q(fate=F.WAITING) | Q(fate=F.RELEASED, item__status__in=("PENDING", "RUNNING"))),
}
"""Under which name an item of a retry is listed, and which they are."""
LABELS = {"pause": "Pause", "resume": "Resume", "cancel": "Cancel the rest"}


def interval(predicted: Mapping[str, Any]) -> str:
    """685-690, or one number; empty if nothing was predicted."""
    low, high = predicted.get("low"), predicted.get("high")
    if low is None or high is None:
        return ""
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"


def items_of(n: int) -> str:
    return f"{n:,} {'item' if n == 1 else 'items'}"


# -- before ------------------------------------------------------------------------------------------------------------


def confirmation(batch: Batch, scope: Mapping[str, Any], found: Forecast) -> dict[str, Any]:
    """Exactly what will happen, to how many items."""
    what, items = describe_scope(batch, scope), found.tried or found.permanent
    return {
        "batch": batch,
        "found": found,
        "question": question(found, what),
        "what": what,
        "pace": pace(batch, items),
        "expected": interval(found.predicted_for(False)),
        "basis": found.predicted.basis if found.predicted else "",
        "mix": mix(found),
        "samples": [sample_of(item) for item in found.samples],
        "button": f"Retry {items_of(items)}",
        "at_rest": batch.status in Batch.AT_REST and bool(batch.processor),
        "may_rehearse": operations.may_rehearse(batch),
        "rehearse_sample": min(operations.DEFAULT_CANARY, items),
        "back": reverse("admin:errors_desk", args=[batch.pk]),
    }


def question(found: Forecast, what: str) -> str:
    if found.tried or not found.permanent:
        return f"Retry {items_of(found.tried)} {what}?"
    return f"None of the {items_of(found.failed)} {what} can pass unchanged. Retry them all the same?"


def pace(batch: Batch, items: int) -> str:
    """How fast they go and how long that takes, by the batch's rate or its pace so far."""
    known = progress_tracker.get_progress(batch.pk)
    speeds = [speed for speed in (batch.rate, known.current_velocity) if speed]
    if not speeds or not items:
        return "as fast as they go"
    speed = min(speeds)
    return (
        f"at {speed:,.0f} a second: about {durations.spaced(durations.rough(items / speed))}"
        if speed >= 1
        else f"at {speed:.2g} a second"
    )


def mix(found: Forecast) -> list[dict[str, Any]]:
    """The categories, each with its share of a bar 1,000 wide."""
    whole, at, rows = sum(found.categories.values()) or 1, 0.0, []
    for n, (category, items) in enumerate(found.categories.items()):
        width = 1000 * items / whole
        rows.append({"category": category, "items": items, "x": round(at), "width": round(width), "shade": n % 4})
        at += width
    return rows


def sample_of(item: Item) -> dict[str, Any]:
    payload = redact(item.payload)
    told = payload.items() if isinstance(payload, dict) else [("", payload)]
    return {
        "item": item,
        "message": redact_text(item.message, item.payload)[:300],
        "payload": ", ".join(f"{name}: {value}" if name else str(value) for name, value in told)[:200],
    }


# -- meanwhile and after -----------------------------------------------------------------------------------------------


def retry_page(made: Retry, fate: str, after: int) -> dict[str, Any]:
    """One retry: how far it is, what became of its items, and the items of one fate."""
    outcome = made.outcome()
    return {
        "batch": made.batch,
        "retry": made,
        "what": describe_scope(made.batch, made.scope),
        "pill": pill(PILLS.get(made.state, made.state), made.state.capitalize()),
        "sentence": sentence(made, outcome),
        "outcome": outcome,
        "rows": outcome_rows(made, outcome),
        "expected": interval(made.predicted),
        "held": held(made, outcome),
        "bar": bar(made, outcome),
        "waves": waves(made, outcome),
        "skips": list(made.retried.filter(fate=F.SKIPPED).values("why").annotate(n=Count("pk")).order_by("-n")),
        "groups": by_group(made),
        "verbs": [(verb, LABELS[verb]) for verb in legal_verbs(made)],
        "under_way": made.state in Retry.UNDER_WAY and made.batch.status in Batch.ACTIVE,
        "stands_still": made.state in Retry.UNDER_WAY and made.batch.status not in Batch.ACTIVE,
        **listed(made, fate, after),
    }


PILLS: dict[str, str] = {
    State.PREPARING: "QUEUED",
    State.CANARY: "RUNNING",
    State.HELD: "HALTED",
    State.DONE: "COMPLETED",
}


def sentence(made: Retry, outcome: Mapping[str, int]) -> str:
    """The state in words, for a person who was just woken."""
    tried = made.items - outcome["waiting"]
    said = f"{outcome['recovered']:,} of {tried:,} tried recovered" if tried > 0 else "None was tried yet"
    if made.state == State.PREPARING:
        first = f"the first {made.canary:,} go" if made.canary else "they go"
        return f"Preparing: which {items_of(made.items)} it means is being written down; then {first}."
    if made.not_before is not None and made.state in Retry.RELEASING and made.not_before > timezone.now():
        until = f"{made.not_before.astimezone(UTC):%H:%M:%S} UTC"
        return f"Waiting: none of {items_of(made.items)} runs before {until}. {said}."
    if made.state == State.CANARY:
        return f"The canary is out: {made.canary:,} of {items_of(made.items)} go first. {said}."
    if made.state == State.RUNNING:
        return f"{said}; {items_of(outcome['waiting'])} to go."
    if made.state == State.HELD:
        return f"Held: {made.note}"
    if made.state == State.PAUSED:
        return f"Paused: {said}; {items_of(outcome['waiting'])} wait, failed as they were, until it is resumed."
    if made.state == State.CANCELLED:
        return f"Cancelled: {said}; {items_of(outcome['waiting'])} stay as they were."
    again = f"{outcome['failed_again']:,} failed again" if outcome["failed_again"] else "none failed again"
    return f"Done: {outcome['recovered']:,} of {items_of(made.items)} recovered, {again}."


def held(made: Retry, outcome: Mapping[str, int]) -> bool | None:
    """Whether what came true lay within the prediction; None: nobody knows yet."""
    low, high = made.predicted.get("low"), made.predicted.get("high")
    if made.state != State.DONE or low is None or high is None:
        return None
    return bool(low <= outcome["recovered"] <= high)


def outcome_rows(made: Retry, outcome: Mapping[str, int]) -> list[dict[str, Any]]:
    address = reverse("admin:errors_retry", args=[made.batch_id, made.number])
    unknown = outcome["failed_again"] - outcome["failed_same"] - outcome["failed_differently"]
    counts = {**outcome, "failed_again": unknown}
    return [
        {"name": name, "label": label, "n": counts[name], "url": f"{address}?{urlencode({'fate': name})}#items"}
        for name, (label, _) in FATES.items()
        if counts[name] or name != "failed_again"
    ]


def bar(made: Retry, outcome: Mapping[str, int]) -> dict[str, int]:
    whole = max(1, made.items)
    return {
        "ok": round(1000 * outcome["recovered"] / whole),
        "bad": round(1000 * outcome["failed_again"] / whole),
        "percent": 100 * (made.items - outcome["waiting"]) // whole,
    }


def waves(made: Retry, outcome: Mapping[str, int]) -> list[dict[str, Any]]:
    """The canary, a hundred, and the rest: how many of each were tried."""
    if not made.canary:
        return []
    tried, left = max(0, made.items - outcome["waiting"]), made.items
    rows: list[dict[str, Any]] = []
    for name, most in (("Canary", made.canary), ("The next hundred", 100), ("The rest", left)):
        size = min(most, left)
        gone = min(size, tried)
        tried, left = tried - gone, left - size
        if size:
            rows.append({"name": name, "size": size, "gone": gone, "over": gone >= size})
    return rows


def by_group(made: Retry) -> list[dict[str, Any]]:
    """Fingerprint by fingerprint: how many items failed so before the retry, and how many after it."""
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    waiting: dict[str, int] = {}
    columns = ("kind_before", "kind_after", "fate", "item__status")
    counted = made.retried.exclude(fate=F.SKIPPED).order_by().values_list(*columns)
    for was, now, fate, status, n in counted.annotate(n=Count("pk")):
        before[was] = before.get(was, 0) + n
        name = RetriedItem.names(fate, status)[0]
        if name == "waiting":
            waiting[was] = waiting.get(was, 0) + n
        elif name == "failed_again":
            kind = now if fate == F.DIFFERENT else was
            after[kind] = after.get(kind, 0) + n
    kinds = sorted(before | after, key=lambda kind: -before.get(kind, 0))[:SHOWN]
    named = ErrorGroup.objects.filter(processor=made.batch.processor, fingerprint__in=kinds)
    known = {group.fingerprint: group for group in named}
    return [
        {
            "title": known[kind].title or known[kind].error_type if kind in known else kind or "unknown",
            "url": reverse("admin:errors_group", args=[made.batch_id, kind]) if kind in known else "",
            "before": before.get(kind, 0),
            "after": after.get(kind, 0),
            "waiting": waiting.get(kind, 0),
            "new": kind not in before,
        }
        for kind in kinds
    ]


def listed(made: Retry, fate: str, after: int) -> dict[str, Any]:
    """Items of one fate, or all, by position."""
    rows = made.retried.select_related("item").order_by("item__position")
    if fate in FATES:
        rows = rows.filter(FATES[fate][1])
    page = list(rows.filter(item__position__gt=after)[: SHOWN + 1])
    return {
        "fate": fate if fate in FATES else "",
        "fate_label": FATES[fate][0] if fate in FATES else "All its items",
        "items": [row_of(row) for row in page[:SHOWN]],
        "next": page[SHOWN - 1].item.position if len(page) > SHOWN else None,
    }


def row_of(row: RetriedItem) -> dict[str, Any]:
    names = RetriedItem.names(row.fate, row.item.status)
    return {
        "row": row,
        "label": FATES[names[-1]][0],
        "message": row.why or redact_text(row.item.message, row.item.payload)[:200],
    }


def summaries(made: Sequence[Retry]) -> list[dict[str, Any]]:
    """Retries as rows of a list, the outcomes of all of them counted at once."""
    outcomes = outcomes_of(made)
    return [
        {
            "retry": one,
            "what": describe_scope(one.batch, one.scope),
            "pill": pill(PILLS.get(one.state, one.state), one.state.capitalize()),
            "outcome": outcomes[one.pk],
            "expected": interval(one.predicted),
            "url": reverse("admin:errors_retry", args=[one.batch_id, one.number]),
        }
        for one in made
    ]


def outcomes_of(made: Sequence[Retry]) -> dict[int, dict[str, int]]:
    names = ("recovered", "failed_again", "failed_same", "failed_differently", "skipped", "waiting")
    outcomes = {one.pk: dict.fromkeys(names, 0) for one in made}
    for retry, fate, status, n in RetriedItem.counted(list(outcomes)):
        for name in RetriedItem.names(fate, status):
            outcomes[retry][name] += n
    for one in made:
        if one.state == State.PREPARING:
            outcomes[one.pk] = dict.fromkeys(names, 0) | {"waiting": one.items}
    return outcomes


def last_retry(batch: Batch) -> dict[str, Any] | None:
    """The desk's line about the last retry."""
    made = batch.retries.order_by("-number").first()
    if made is None:
        return None
    return summaries([made])[0] | {"under_way": made.state in Retry.UNDER_WAY and batch.status in Batch.ACTIVE}
