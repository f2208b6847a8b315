"""The page that asks before batches are deleted or archived, and the page of a batch whose items are gone or going."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from batches import operations
from batches.models import Batch, Removal, Transition
from batches.moments import moment
from batches.operations import RemovalPlan
from batches.pages.markup import pill as status_pill
from batches.progress_text import removal_sentence
from batches.progress_tracker import get_progress
from batches.rights import DELETE
from batches.wording import quantity

SHOWN_HISTORY = 100
MOST_SELECTED = 100
"""Batches that are asked about on one page."""


@dataclass(frozen=True, slots=True)
class RemovalConfirmation:
    """What would go and stay of each batch; `possible` if any of them may go now."""

    plans: Sequence[RemovalPlan]
    batch: Batch
    kind: str
    question: str
    button: str
    possible: bool
    back: str
    action: str = ""
    """The name of the list's action, where the batches were selected there."""


def removal_confirmation(batch_ids: Sequence[str], kind: str, back: str, action: str = "") -> RemovalConfirmation:
    """Of these batches; `UnknownBatch` where one is gone."""
    plans = [operations.removal_plan(batch_id, kind) for batch_id in batch_ids[:MOST_SELECTED]]
    what = str(plans[0].batch) if len(plans) == 1 else quantity(len(plans), "batch", "batches")
    return RemovalConfirmation(
        plans=plans,
        batch=plans[0].batch,
        kind=kind,
        question=f"{kind.capitalize()} {what}?",
        button=f"{kind.capitalize()} {'it' if len(plans) == 1 else 'them'}",
        possible=any(not plan.refusal for plan in plans),
        back=back,
        action=action,
    )


@dataclass(frozen=True, slots=True)
class RemovedBatchPage:
    """`going`: its items are being removed. `contents`: (noun, number) of what went."""

    batch: Batch
    pill: SafeString
    sentence: str
    going: bool
    may_delete: bool
    removal: Removal | None
    contents: Sequence[tuple[str, int]]
    counts: Sequence[tuple[str, int]]
    promises: str
    groups: Sequence[Mapping[str, Any]]
    more_groups: int
    history: Sequence[Transition]


def removed_batch_page(batch: Batch, request: HttpRequest) -> RemovedBatchPage:
    removal, progress = operations.last_removal(batch.pk), get_progress(batch.pk)
    summary: Mapping[str, Any] = removal.summary if removal is not None else {}
    groups = summary.get("groups", [])
    return RemovedBatchPage(
        batch=batch,
        pill=status_pill(batch.status, batch.get_status_display()),
        sentence=removal_sentence(batch),
        going=batch.status in Batch.REMOVING,
        may_delete=request.user.has_perm(DELETE),  # type: ignore[union-attr]
        removal=removal,
        contents=[(noun, n) for noun, n in removal.contents.items() if n] if removal is not None else [],
        counts=[
            ("Items", progress.total_items),
            ("Succeeded", progress.completed),
            ("Failed", progress.failed),
            ("Skipped", progress.skipped),
            ("Set aside", progress.quarantined),
            ("Without an outcome", progress.remaining),
        ],
        promises=promises_text(summary),
        groups=groups,
        more_groups=summary.get("all_groups", 0) - len(groups),
        history=list(batch.transitions.order_by("-pk")[:SHOWN_HISTORY]),
    )


def promises_text(summary: Mapping[str, Any]) -> str:
    """Whether they held when they were looked at."""
    if not (at := parse_datetime(summary.get("verified_at", ""))):
        return "not looked at yet"
    broken = summary.get("broken_promises", [])
    return f"{'; '.join(broken) or 'every one of them held'} ({moment(at)})"
