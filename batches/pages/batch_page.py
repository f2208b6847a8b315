"""What the pages show: sentences, bars and links, put together from the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from batches import durations, operations
from batches.extensions import registered
from batches.lifecycle.velocity import Velocity, velocity_of
from batches.models import MILESTONES, Batch, Checkpoint, Item
from batches.pages.map_page import map_context
from batches.processors import param_labels_of
from batches.processors.parameters import is_description
from batches.progress_tracker import Progress, get_progress, progress_of
from batches.redaction import redact
from batches.rights import OPERATE

S = Batch.Status
ICONS = {
    "PENDING": "○",
    "QUEUED": "◔",
    "RUNNING": "▶",
    "PAUSING": "‖",
    "PAUSED": "‖",
    "CANCELLING": "⊘",
    "CANCELLED": "⊘",
    "HALTED": "■",
    "COMPLETED": "✓",
    "FAILED": "✕",
    "SUCCEEDED": "✓",
    "SKIPPED": "–",
    "QUARANTINED": "☣",
}
SHOWN_FAILURES = 20
SHOWN_HISTORY = 100

NEEDS_ATTENTION = Q(status__in=(S.HALTED, S.FAILED, S.PAUSED)) | Q(
    Q(lanes__failed__gt=0) | Q(lanes__quarantined__gt=0), status=S.COMPLETED
)


class AttentionFilter(admin.SimpleListFilter):
    """The list's tabs."""

    title = "what to do"
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("attention", "Needs attention"), ("active", "Active")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Batch]) -> QuerySet[Batch]:
        return tab(queryset, self.value() or "")


def tab(batches: QuerySet[Batch], name: str) -> QuerySet[Batch]:
    """The batches of a tab: badge and list share this one query."""
    if name == "attention":
        return batches.filter(pk__in=Batch.objects.filter(NEEDS_ATTENTION).values("pk"))
    if name == "active":
        return batches.filter(status__in=Batch.ACTIVE)
    return batches


def list_context(batches: Sequence[Batch], request: HttpRequest) -> dict[str, Any]:
    progress = progress_of(batches)
    may_operate = request.user.has_perm(OPERATE)  # type: ignore[union-attr]
    current = request.GET.get("show", "")
    return {
        "rows": [row_of(batch, progress[batch.pk], may_operate) for batch in batches],
        "may_operate": may_operate,
        "tabs": [
            {"name": name, "label": label, "count": tab(Batch.objects.all(), name).count(), "current": name == current}
            for name, label in (("attention", "Needs attention"), ("active", "Active"), ("", "All"))
        ],
        "live": any(batch.status in Batch.ACTIVE for batch in batches),
    }


def row_of(batch: Batch, progress: Progress, may_operate: bool) -> dict[str, Any]:
    failures = failures_of(progress)
    verbs = operations.VERBS
    legal = [verb for verb in ("start", "pause", "resume") if batch.status in verbs[verb] and batch.processor]
    return {
        "batch": batch,
        "progress": progress,
        "failures": failures,
        "failed_url": items_url(batch, failed=True),
        "pill": pill(batch.status, batch.get_status_display()),
        "speed": speed(progress),
        "eta": eta(progress),
        "active": batch.status in Batch.ACTIVE,
        "verbs": legal if may_operate else [],
    }


def batch_context(batch: Batch, request: HttpRequest) -> dict[str, Any]:
    progress = get_progress(batch.pk)
    may_operate = request.user.has_perm(OPERATE)  # type: ignore[union-attr]
    history = list(batch.transitions.order_by("-pk")[:SHOWN_HISTORY])
    failed = list(Item.objects.filter(batch=batch, failed_at__isnull=False).order_by("position")[:SHOWN_FAILURES])
    return {
        "watching": operations.is_watching(batch, request.user),  # type: ignore[arg-type]
        "batch": batch,
        "progress": progress,
        "pill": pill(batch.status, batch.get_status_display()),
        "sentence": sentence(batch, progress, history),
        "verbs": [
            {"name": verb, "confirmed": verb in ("cancel", "retry"), "label": LABELS[verb]}
            for verb in (operations.legal_verbs(batch) if may_operate else [])
        ],
        "links": [link for extension in registered() for link in extension.batch_links(batch, failures_of(progress))],
        "may_operate": may_operate,
        "may_rehearse": may_operate and operations.may_rehearse(batch),
        "rehearsals": list(batch.rehearsals.order_by("-number").defer("chosen")[:5]),
        "counts": counts(batch, progress),
        "marks": marks(progress),
        "chart": sparkline(velocity_of(batch)),
        "lanes": list(Checkpoint.objects.filter(batch=batch).order_by("lane")),
        "now": timezone.now(),
        "history": history,
        "failed": [{"item": item, "payload": pretty(redact(item.payload))} for item in failed],
        "failed_url": items_url(batch, failed=True),
        "items_url": items_url(batch),
        "params": params_shown(batch),
        "source": [(name.replace("_", " "), value_text(value)) for name, value in batch.source.items() if value != ""],
        "retries": [{"retry": made, "outcome": made.outcome()} for made in batch.retries.order_by("-number")[:10]],
        "live": batch.status in Batch.ACTIVE,
        "map": map_context(batch, draw=request.GET.get("draw") == "1"),
    }


LABELS = {"start": "Start", "pause": "Pause", "resume": "Resume", "cancel": "Cancel…", "retry": "Retry failed…"}


def sentence(batch: Batch, progress: Progress, history: Sequence[Any]) -> str:
    """The state in words, for a person who was just woken."""
    failures = failures_of(progress)
    tail = f" {failures:,} {'item' if failures == 1 else 'items'} failed so far." if failures else ""
    if batch.status == S.RUNNING:
        if progress.stuck:
            return f"It should be running, but no worker has taken it for a while. Is the worker process up?{tail}"
        pace = speed(progress)
        left = eta(progress)
        return f"{pace or 'Just started'}{f', {left}' if left else ''}.{tail}"
    if batch.status == S.PAUSED:
        return (
            f"Paused{by_whom(history, S.PAUSED)}. {progress.remaining:,} items to go; resume goes on where it stopped."
        )
    if batch.status == S.HALTED:
        return f"Halted: {batch.reason} Nothing is lost."
    if batch.status == S.COMPLETED:
        took = durations.rough(progress.active_seconds)
        if not failures:
            return f"All {progress.total_items:,} items are done, in {took}."
        return f"Done in {took}: {failures:,} of {progress.total_items:,} items failed."
    if batch.status == S.CANCELLED:
        return f"Cancelled{by_whom(history, S.CANCELLED)}. {progress.remaining:,} items were never touched."
    if batch.status == S.FAILED:
        return f"The portal could not run it: {batch.reason}"
    return f"{batch.sentence}{tail}"


def by_whom(history: Sequence[Any], status: str) -> str:
    last = next((row for row in history if row.to_status == status), None)
    if last is None:
        return ""
    who = f" by {last.actor}" if last.actor else ""
    return f"{who}, {last.at:%H:%M} UTC{f' ({last.reason})' if last.reason else ''}"


def speed(progress: Progress) -> str:
    rate = progress.recent_velocity
    if rate is None:
        return ""
    return f"{rate:,.0f} items a second" if rate >= 10 else f"{rate:.1f} items a second"


def eta(progress: Progress) -> str:
    return "" if progress.eta_human is None else f"about {durations.spaced(progress.eta_human)} left"


def counts(batch: Batch, progress: Progress) -> list[dict[str, Any]]:
    """The numbers of the page, each a link to the items it counts."""
    numbers = [
        ("succeeded", progress.completed, items_url(batch, status__exact="SUCCEEDED")),
        ("failed", progress.failed, items_url(batch, status__exact="FAILED")),
        ("skipped", progress.skipped, items_url(batch, status__exact="SKIPPED")),
        ("quarantined", progress.quarantined, items_url(batch, status__exact="QUARANTINED")),
        ("to go", progress.remaining, items_url(batch, status__exact="PENDING")),
    ]
    return [{"label": label, "key": label.replace(" ", "_"), "n": n, "url": url} for label, n, url in numbers]


def marks(progress: Progress) -> list[dict[str, Any]]:
    reached = {row["milestone"]: row["reached_at"] for row in progress.milestones}
    return [{"at": mark, "reached": reached.get(mark)} for mark in MILESTONES]


def sparkline(velocity: Velocity) -> dict[str, Any]:
    """The velocity chart as an SVG line in a box of 1,000 x 100, for pages without JavaScript."""
    if len(velocity.points) < 2:
        return {"line": "", "words": velocity.words}
    begin, end = velocity.points[0][0], velocity.points[-1][0]
    top = max(speed for _, speed in velocity.points) or 1
    line = " ".join(
        f"{1000 * (at - begin) / (end - begin or 1):.0f},{98 - 94 * speed / top:.0f}" for at, speed in velocity.points
    )
    return {"line": line, "words": velocity.words}


def items_url(batch: Batch, *, failed: bool = False, **filters: str) -> str:
    query = {"batch__id__exact": batch.pk, **({"failed_at__isnull": "False"} if failed else {}), **filters}
    return f"{reverse('admin:batches_item_changelist')}?{urlencode(query)}"


def confirmation_context(batch: Batch, verb: str) -> dict[str, Any]:
    """What cancelling the batch, or retrying all that failed in it, would do."""
    progress = get_progress(batch.pk)
    failures = failures_of(progress)
    if verb == "retry":
        question, button = f"Retry {failures:,} items that failed?", "Retry them"
        effects = ["They run with the same parameters, all of them at once. Nothing that succeeded runs again."]
    else:
        question, button = f"Cancel {batch}?", "Cancel the batch"
        effects = [
            f"{progress.remaining:,} items will not be processed. This cannot be undone: "
            "to stop for a while, pause instead.",
            f"The {progress.done:,} items that are done stay done.",
        ]
    return {"batch": batch, "verb": verb, "question": question, "effects": effects, "button": button}


def failures_of(progress: Progress) -> int:
    """Items that are failed or quarantined."""
    return progress.failed + progress.quarantined


def pill(status: str, label: str) -> SafeString:
    """A status in words, with its sign and colour."""
    return format_html(
        '<span class="bp-pill bp-{}"><span aria-hidden="true">{}</span> {}</span>',
        status.lower(),
        ICONS.get(status, ""),
        label,
    )


def pretty(value: Any) -> SafeString:
    return format_html('<pre class="bp-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def params_shown(batch: Batch) -> list[tuple[str, str]]:
    """(label, value) of what the batch was given, secrets masked."""
    labels = param_labels_of(batch.processor)
    return [(labels.get(name, name), value_text(value)) for name, value in redact(batch.params).items()]


def value_text(value: Any) -> str:
    if is_description(value):
        return f"{value['filename']} ({value['bytes']:,} bytes)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
