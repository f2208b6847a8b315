"""What people do with error groups. Each verb is one guarded UPDATE and one row of history, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from batches.exceptions import InvalidInput, InvalidTransition
from batches.models import Retry
from batches.processors import is_version, version_of
from errors.grouping import regressions
from errors.grouping.history import record_change
from errors.groups import clean_retries
from errors.groups.changes import (
    LEGAL_STATES,
    NO_AWAITED_RETRY,
    InvalidGroupTransition,
    change,
    invalid_input,
    state_of,
)
from errors.models import ErrorGroup

__all__ = [
    "LEGAL_STATES",
    "InvalidGroupTransition",
    "acknowledge",
    "apply_to_each",
    "assign",
    "ignore",
    "note",
    "reopen",
    "resolve",
    "resolve_when_clean",
    "unignore_due",
]

MAX_IGNORED_ITEMS = 1_000_000_000
REMEDIES = {
    "date": "Give a moment to come, with its offset from UTC.",
    "items": "Give a whole number, 1 or more.",
    "rate": "Give a percentage between 0 and 100.",
    "next_batch": "Give true.",
}
REOPENED: Mapping[str, Any] = {"resolved_at": None, "resolved_in": "", "late": 0, "ignored_at": None, "until": {}}


def acknowledge(group_id: int, *, actor: str = "", reason: str = "") -> None:
    """Say that somebody is working on the group."""
    change(group_id, "acknowledge", ErrorGroup.State.ACKNOWLEDGED, actor=actor, reason=reason)


def resolve(group_id: int, *, in_version: str = "", actor: str = "", reason: str = "") -> None:
    """Say that the failure is mended: an attempt that starts from now on and fails alike makes the group regress.

    With `in_version`, only an attempt of that version of the processor does, or of a later one.
    """
    refuse_unordered_version(group_id, in_version)
    values = {"resolved_at": timezone.now(), "resolved_in": in_version, "late": 0, **NO_AWAITED_RETRY}
    change(group_id, "resolve", ErrorGroup.State.RESOLVED, actor=actor, reason=reason, **values)


def resolve_when_clean(group_id: int, retry: Retry, *, actor: str = "", reason: str = "") -> None:
    """Resolve the group once no item of this bulk retry fails in the same way; its state stays as it is until then."""
    state, actor = state_of(group_id), actor[:150]
    reason = reason or f"Resolve when retry {retry.number} of {retry.batch_id} is clean."
    values = {"clean_after": retry, "clean_by": actor}
    change(group_id, "await_retry", state, from_state=state, actor=actor, reason=reason, **values)
    transaction.on_commit(partial(clean_retries.settle, retry.batch_id))


def ignore(group_id: int, *, until: Mapping[str, Any] | None = None, actor: str = "", reason: str = "") -> None:
    """Say that the group is not worth a look, until somebody reopens it or a condition is met.

    `until` is one of: {"date": datetime}; {"items": n}, more than n items since now, in whatever batch;
    {"rate": x}, more than x percent of a batch's items; {"next_batch": True}, a batch submitted after now.
    """
    condition = checked_condition(group_id, until or {})
    values = {"ignored_at": timezone.now(), "until": condition, **NO_AWAITED_RETRY}
    change(group_id, "ignore", ErrorGroup.State.IGNORED, actor=actor, reason=reason, **values)


def reopen(group_id: int, *, actor: str = "", reason: str = "") -> None:
    """Open a closed group: as acknowledged, since whoever reopens it has looked at it."""
    change(group_id, "reopen", ErrorGroup.State.ACKNOWLEDGED, actor=actor, reason=reason, **REOPENED)


def assign(group_id: int, user: AbstractBaseUser | None, *, actor: str = "", reason: str = "") -> None:
    """To a user, which acknowledges a new group, or to nobody, which leaves its state."""
    state = state_of(group_id)
    acknowledged = user is not None and state == ErrorGroup.State.NEW
    to_state = ErrorGroup.State.ACKNOWLEDGED if acknowledged else state
    reason = reason or (f"To {user.get_username()}." if user is not None else "To nobody.")
    change(group_id, "assign", to_state, from_state=state, actor=actor, reason=reason, assignee=user)


def note(group_id: int, text: str, *, actor: str = "") -> None:
    """Write a remark into the group's history."""
    if not text.strip():
        raise InvalidInput("A note needs a text.", {"text": ["Write something."]})
    state = state_of(group_id)
    record_change(group_id, "note", state, state, reason=text, actor=actor)


def apply_to_each(verb: Callable[[int], None], fingerprints: Mapping[int, str]) -> dict[int, str]:
    """Apply a verb to each group (id -> fingerprint) on its own; answers those where it was illegal, and why.

    In the order in which lanes lock groups, as all of it may be one transaction.
    """
    refusals = {}
    for group_id in sorted(fingerprints, key=lambda pk: fingerprints[pk]):
        try:
            verb(group_id)
        except InvalidTransition as error:
            refusals[group_id] = str(error)
    return refusals


def unignore_due() -> None:
    """End what was ignored until a date that has passed, whether or not it happened again."""
    ignored = ErrorGroup.objects.filter(state=ErrorGroup.State.IGNORED, until__has_key="date").order_by("pk")
    for group_id, ignored_at, until in list(ignored.values_list("pk", "ignored_at", "until")):
        if why := regressions.date_passed(until["date"], timezone.now()):
            with transaction.atomic():
                regressions.unignore(group_id, ignored_at, why)


def refuse_unordered_version(group_id: int, version: str) -> None:
    """A version counts only if the processor declares one, and if there is an order in which both stand."""
    if not version:
        return
    processor = ErrorGroup.objects.filter(pk=group_id).values_list("processor", flat=True).first() or ""
    if not is_version(version) or len(version) > 50:
        remedy = 'Write it like "2", "2.1" or "2024.11.3rc1".'
        raise invalid_input("in_version", f"{version[:50]!r} is no version.", remedy)
    if not version_of(processor):
        remedy = 'Declare one: @processor(…, version="1.0").'
        raise invalid_input("in_version", f"Processor {processor!r} declares no version.", remedy)


def checked_condition(group_id: int, until: Mapping[str, Any]) -> dict[str, Any]:
    """What ends the group's being ignored, as it is stored; empty: only a person does."""
    if not until:
        return {}
    if len(until) != 1 or not set(until) <= set(regressions.IGNORE_CONDITIONS):
        remedy = f"One of {', '.join(regressions.IGNORE_CONDITIONS)}."
        raise invalid_input("until", "Say until when, by exactly one condition.", remedy)
    ((name, value),) = until.items()
    if name == "date" and isinstance(value, datetime) and timezone.is_aware(value) and value > timezone.now():
        return {"date": value.isoformat()}
    if name == "items" and type(value) is int and 1 <= value <= MAX_IGNORED_ITEMS:
        return {"items": value, "from": regressions.items_of(group_id)}
    if name == "rate" and type(value) in (int, float) and 0 < value < 100:
        return {"rate": value}
    if name == "next_batch" and value is True:
        return {"next_batch": True}
    raise invalid_input("until", f"{name} cannot be {value!r:.50}.", REMEDIES[name])
