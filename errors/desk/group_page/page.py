"""The page of one error group within one batch: its head, the tab that was asked for, and what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Sum

from batches.models import Batch
from batches.pages.markup import pill
from errors.desk.group_forms.base import seen
from errors.desk.group_page.differs import differs
from errors.desk.group_page.digest import digest
from errors.desk.group_page.header import last_change, numbers, seen_in, why
from errors.desk.group_page.items import ItemFilter, items
from errors.desk.group_page.marked import fields_in, title_parts
from errors.desk.group_page.retries import before_and_after
from errors.desk.group_page.samples import because, columns_of, records_of, sample
from errors.filters.ageing import AGEING_MEANS, is_ageing
from errors.filters.error_filter import ErrorFilter
from errors.groups import LEGAL_STATES
from errors.models import BatchGroup, ErrorGroup, GroupChange

State = ErrorGroup.State
TABS = {
    "sample": "Sample",
    "items": "Items",
    "differs": "What differs",
    "retries": "Before and after",
    "history": "History and notes",
}
HISTORY_SHOWN = 50


def group_page(batch: Batch, rollup: BatchGroup, query: Mapping[str, str]) -> dict[str, Any]:
    """The head, one tab and the side; each tab asks the database only for its own."""
    group, tab = rollup.group, query.get("tab", "")
    tab = tab if tab in TABS else "sample"
    errors = BatchGroup.objects.filter(batch=batch).aggregate(n=Sum("errors", default=0))["n"]
    last = last_change(group)
    return {
        "batch": batch,
        "group": group,
        "rollup": rollup,
        "pill": pill(group.state, group.state),
        "why": why(group, last),
        "since": last.at if last else None,
        "waits_for": group.clean_after,
        "ageing": ErrorGroup.objects.filter(is_ageing(), pk=group.pk).exists() if group.state == State.NEW else False,
        "ageing_means": AGEING_MEANS,
        "title_parts": title_parts(group.title or group.error_type, known_fields(batch, group)),
        "numbers": numbers(rollup, errors),
        "seen_in": seen_in(batch, group),
        "because": because(batch, rollup),
        "merged": list(group.merged.all()),
        "seen": seen(group),
        "only_this": ErrorFilter(group=group.fingerprint),
        "legal": [verb for verb, states in LEGAL_STATES.items() if group.state in states],
        "may_be_retried": bool(batch.processor) and batch.status in Batch.AT_REST,
        "tab": tab,
        "tabs": [{"name": name, "label": label, "current": name == tab} for name, label in TABS.items()],
        **TAB_CONTEXTS[tab](batch, rollup, query),
    }


def known_fields(batch: Batch, group: ErrorGroup) -> frozenset[str]:
    """Names that may stand in its title: the columns of the file, or the fields of one of its items."""
    if columns := columns_of(batch):
        return frozenset(columns)
    record = records_of(batch, group).select_related("item").first()
    return fields_in(record.item.payload) if record and record.item else frozenset()


# -- tabs --------------------------------------------------------------------------------------------------------------


def sample_tab(batch: Batch, rollup: BatchGroup, query: Mapping[str, str]) -> dict[str, Any]:
    shown = sample(batch, rollup.group, number(query, "sample"))
    return {"sample": shown, "digest": digest(rollup, shown)}


def items_tab(batch: Batch, rollup: BatchGroup, query: Mapping[str, str]) -> dict[str, Any]:
    item_filter = ItemFilter.from_query(query)
    return {"items": items(batch, rollup.group, item_filter, number(query, "after"), number(query, "before"))}


def differs_tab(batch: Batch, rollup: BatchGroup, query: Mapping[str, str]) -> dict[str, Any]:
    return {"differs": differs(batch, rollup)}


def retries_tab(batch: Batch, rollup: BatchGroup, query: Mapping[str, str]) -> dict[str, Any]:
    return {"retries": before_and_after(batch, rollup.group)}


def history_tab(batch: Batch, rollup: BatchGroup, query: Mapping[str, str]) -> dict[str, Any]:
    """The latest first, older ones by key."""
    changes = rollup.group.changes.order_by("-pk")
    if before := number(query, "before"):
        changes = changes.filter(pk__lt=before)
    listed = list(changes[: HISTORY_SHOWN + 1])
    return {
        "history": [{"change": change, "did": did(change)} for change in listed[:HISTORY_SHOWN]],
        "older": listed[HISTORY_SHOWN - 1].pk if len(listed) > HISTORY_SHOWN else None,
    }


TAB_CONTEXTS: dict[str, Callable[[Batch, BatchGroup, Mapping[str, str]], dict[str, Any]]] = {
    "sample": sample_tab,
    "items": items_tab,
    "differs": differs_tab,
    "retries": retries_tab,
    "history": history_tab,
}
DID = {
    "acknowledge": "took it up",
    "resolve": "resolved it",
    "await_retry": "asked to resolve it once a retry is clean",
    "not_clean": "found the retry not clean",
    "ignore": "ignored it",
    "unignore": "ended its being ignored",
    "reopen": "reopened it",
    "assign": "assigned it",
    "note": "noted",
    "merge": "merged it",
    "split": "split it",
    "regress": "saw it come back",
    "late": "saw a late error",
}


def did(change: GroupChange) -> str:
    """What happened, behind the name of who did it."""
    moved = change.to_state != change.from_state and change.to_state
    words = DID.get(change.verb, change.verb)
    return f"{words}: {change.from_state or 'new'} → {change.to_state}" if moved else words


def number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else 0
